"""What a data set is: its classes and the rules by which it is read and scored."""

import colorsys
import dataclasses
import functools

from tf_maskformer import errors

# How a pixel of a semantic label names a class.
LABEL_RULES = ('index', 'index + 1', 'id')
# What a pixel of a label image holds: a value of one channel, or a color.
LABEL_FORMS = ('values', 'colors')
_RULES = {
    'label_rule': LABEL_RULES,
    'label_form': LABEL_FORMS,
    'instance_rule': ('coco', 'cityscapes'),
    'semantic_rule': ('detectron2', 'cityscapes'),
    'semantic_truth': ('segments', 'labels'),
}
_HUE_STEP = 0.618034  # the golden ratio: hues of neighbors are far apart
_VALUES = (0.95, 0.75)  # brightness, in turns
_DARK = (40, 40, 40)


@dataclasses.dataclass(frozen=True)
class Class:
  """One class.

  Attributes:
    id: in the annotation files.
    name: for people.
    isthing: whether its instances are told apart.
    color: red, green, blue, 0 .. 255 each.
    labels: values of label images that are this class, several where it is merged from several; of
      colors, red + 256 green + 65536 blue. Empty: what the data set's `label_rule` says.
    aliases: other names that annotation files may give it; several classes of theirs may be merged.
  """
  id: int
  name: str
  isthing: bool
  color: tuple[int, int, int]
  labels: tuple[int, ...] = ()
  aliases: tuple[str, ...] = ()

  @property
  def names(self) -> tuple[str, ...]:
    """All names of the class in `plain` form."""
    return tuple(plain(name) for name in (self.name, *self.aliases))


@dataclasses.dataclass(frozen=True)
class DataSet:
  """A data set.

  Attributes:
    name: for people; of a built-in one, that of its file.
    classes: in contiguous order, index = the model's class.
    train_examples: images in the published training split; 0 where it varies.
    validation_examples: images in the published validation split; 0 where it varies.
    label_rule: what a pixel of a semantic label is: 'index' of the class, 'index + 1', or its 'id';
      the `labels` of a class come before it.
    label_form: what a pixel of a semantic label holds, 'values' or 'colors'.
    void_labels: values of pixels that belong to no class; as `Class.labels`.
    ignored: names of categories in annotation files that are left out.
    instance_rule: by whose rules AP is computed, 'coco' or 'cityscapes'.
    semantic_rule: by whose rules mIoU is computed, 'detectron2' or 'cityscapes'.
    semantic_truth: what the published mIoU of panoptic models is measured against: the panoptic
      'segments', or the 'labels', one label image per image whose pixels are classes.

  Raises:
    UserError: a rule is unknown, or two classes share an id, a name or a label.
  """
  name: str
  classes: tuple[Class, ...]
  train_examples: int = 0
  validation_examples: int = 0
  label_rule: str = 'id'
  label_form: str = 'values'
  void_labels: tuple[int, ...] = (255,)
  ignored: tuple[str, ...] = ()
  instance_rule: str = 'coco'
  semantic_rule: str = 'detectron2'
  semantic_truth: str = 'segments'

  def __post_init__(self):
    for field, known in _RULES.items():
      value = getattr(self, field)
      if value not in known:
        raise errors.UserError(f'data set {self.name}: {field}={value!r} is unknown; choose one of '
                               f'{", ".join(map(repr, known))}')
    self._require_distinct('id', [c.id for c in self.classes])
    self._require_distinct('label', [label for label, _ in self._labels()])

  def _require_distinct(self, what: str, values: list) -> None:
    seen: set = set()
    for value in values:
      if value in seen:
        raise errors.UserError(f'data set {self.name}: two classes have the {what} '
                               f'{errors.quoted(value)}; give each its own')
      seen.add(value)

  def _labels(self) -> list[tuple[int, int]]:
    """Returns (label, class) of every class."""
    found = []
    for i, c in enumerate(self.classes):
      by_rule = {'index': i, 'index + 1': i + 1, 'id': c.id}[self.label_rule]
      found += [(label, i) for label in c.labels or (by_rule,)]
    return found

  @property
  def num_classes(self) -> int:
    """Number of classes."""
    return len(self.classes)

  @functools.cached_property
  def thing_classes(self) -> frozenset[int]:
    """The model's classes that are things."""
    return frozenset(i for i, c in enumerate(self.classes) if c.isthing)

  @property
  def has_things_alone(self) -> bool:
    """Whether every class is a thing."""
    return len(self.thing_classes) == self.num_classes

  @functools.cached_property
  def class_of_label(self) -> dict[int, int]:
    """From a pixel of a semantic label to the model's class, -1 where it is void."""
    return {**dict.fromkeys(self.void_labels, -1), **dict(self._labels())}

  @functools.cached_property
  def contiguous_ids(self) -> dict[int, int]:
    """From a category id of the annotation files to the model's class."""
    return {c.id: i for i, c in enumerate(self.classes)}

  @functools.cached_property
  def class_of_name(self) -> dict[str, int]:
    """From a class's name or alias, in `plain` form, to the model's class.

    Of several classes with one name, it is the first.
    """
    found: dict[str, int] = {}
    for i, c in enumerate(self.classes):
      for name in c.names:
        found.setdefault(name, i)
    return found


def difference(first: DataSet, second: DataSet) -> str:
  """Returns in a phrase how the classes of two data sets differ for a model; '' where they agree.

  Ids, colors and labels may differ: a model knows the order of the classes alone.
  """
  if first.num_classes != second.num_classes:
    return f'{first.num_classes} of {first.name}, {second.num_classes} of {second.name}'
  for i, (one, other) in enumerate(zip(first.classes, second.classes)):
    if plain(one.name) != plain(other.name):
      return (f'class {i} is {errors.quoted(one.name)} in {first.name}, '
              f'{errors.quoted(other.name)} in {second.name}')
    if one.isthing != other.isthing:
      return f'class {i}, {errors.quoted(one.name)}, is a thing in only one of them'
  return ''


def plain(name: str) -> str:
  """Returns a class's name without what spellings differ in: case, blanks, - and _."""
  return ' '.join(name.replace('-', ' ').replace('_', ' ').split()).casefold()


def color(index: int, name: str = '') -> tuple[int, int, int]:
  """Returns a color (red, green, blue) for a class, unlike those of its neighbors.

  Args:
    index: of the class.
    name: of the class; one that is called background is dark, so that it does not cover images.
  """
  if plain(name) == 'background':
    return _DARK
  channels = colorsys.hsv_to_rgb(index * _HUE_STEP % 1, 0.7, _VALUES[index % len(_VALUES)])
  red, green, blue = (round(255 * channel) for channel in channels)
  return red, green, blue
