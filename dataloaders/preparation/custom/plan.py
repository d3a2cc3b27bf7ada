"""From what a user gives to one data set with the source of each split."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from tf_maskformer import errors
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders.preparation.custom import recognize
from tf_maskformer.dataloaders.preparation.custom import splits
from tf_maskformer.dataloaders.preparation.custom.found import WHOLE
from tf_maskformer.dataloaders.preparation.custom.found import Found
from tf_maskformer.dataloaders.preparation.custom.found import Request
from tf_maskformer.dataloaders.preparation.source import Source

_SHARE = 0.9
_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Plan:
  """What will be converted.

  Attributes:
    data_set: classes and how annotations are read.
    task: what it is annotated for.
    sources: makes the source of each split; see `Found.splits`.
    said: lines for the user.
  """
  data_set: DataSet
  task: str
  sources: Mapping[str, Callable[[str], Source]]
  said: tuple[str, ...]

  @property
  def needs_split(self) -> bool:
    """Whether the images are not split yet."""
    return WHOLE in self.sources


def make(first: Request, second: Request | None, name: str) -> Plan:
  """Recognizes what is there.

  Args:
    first: all images, or those that are trained on.
    second: the images for validation; None: the layout has splits, or the images are still to be
      split.
    name: of the data set.

  Raises:
    UserError: the form is not known, one would have to guess, or classes contradict each other.
  """
  found = recognize.recognize(first)
  said = [_recognized(first, found), *found.said]
  if second is None:
    data_set = dataclasses.replace(found.data_set, name=name)
    return Plan(data_set, found.task, found.splits, tuple(said))
  other = recognize.recognize(second)
  said += [_recognized(second, other), *other.said]
  if found.task != other.task:
    raise errors.UserError(
        f'{first.annotations} is {found.form}, for {found.task} segmentation, but '
        f'{second.annotations} is {other.form}, for {other.task}; both must be of one kind')
  _require_same_classes(found, other, first.annotations, second.annotations)
  sources = {'train': _only(found, first), 'val': _only(other, second)}
  data_set = dataclasses.replace(found.data_set, name=name)
  return Plan(data_set, found.task, sources, tuple(said))


def _recognized(request: Request, found: Found) -> str:
  """Returns the line that says what was recognized."""
  names = [errors.quoted(c.name) for c in found.data_set.classes]
  more = f' and {len(names) - _SHOWN} more' if len(names) > _SHOWN else ''
  where = request.annotations or request.images
  return (f'{where}: {found.form}, for {found.task} segmentation; {len(names)} classes: '
          f'{", ".join(names[:_SHOWN])}{more}')


def _only(found: Found, request: Request) -> Callable[[str], Source]:
  """Returns the source of a lot that must not have splits of its own."""
  if len(found.splits) > 1:
    raise errors.UserError(
        f'{request.annotations} has splits of its own ({", ".join(found.splits)}); leave out '
        '--val_images and --val_annotations')
  return next(iter(found.splits.values()))


def _require_same_classes(found: Found, other: Found, first: str, second: str) -> None:
  """Raises UserError where an id means two classes, or validation has a class of its own."""
  name_of = {c.id: c.name for c in found.data_set.classes}
  for c in other.data_set.classes:
    known = name_of.get(c.id, c.name)
    if descriptor.plain(known) != descriptor.plain(c.name):
      raise errors.UserError(
          f'class {c.id} is {errors.quoted(known)} in {first}, but {errors.quoted(c.name)} in '
          f'{second}; give both the same classes')
  known_names = found.data_set.class_of_name
  unknown = [c.name for c in other.data_set.classes if descriptor.plain(c.name) not in known_names]
  if unknown:
    shown = ', '.join(errors.quoted(name) for name in unknown[:_SHOWN])
    raise errors.UserError(
        f'{second} has {len(unknown)} classes that {first} does not have: {shown}; nothing could '
        'learn them; leave them out with --ignore')


def split_names(plan: Plan, share: float = 0, lists: Sequence[str] = ()) -> list[str]:
  """Returns the names of the splits that `split` makes; nothing needs to be there yet.

  Args:
    plan: see `make`.
    share: see `split`.
    lists: see `split`.

  Raises:
    UserError: images are not split and nothing says how, or the other way round.
  """
  if WHOLE not in plan.sources:
    if share or lists:
      raise errors.UserError(
          f'the data have splits of their own ({", ".join(plan.sources)}); leave out --split and '
          '--split_files')
    return list(plan.sources)
  if lists:
    return [splits.name_of(path) for path in lists]
  if not share:
    raise errors.UserError(
        'nothing says which images are for training and which for validation; give '
        f'--split {_SHARE} (a random share for training), --split_files train.txt val.txt, or '
        '--val_images and --val_annotations')
  return ['train', 'val']


def split(plan: Plan, output: str, data_set: str, share: float = 0, seed: int = 0,
          lists: Sequence[str] = ()) -> dict[str, Source]:
  """Returns the sources of a plan, all of them named.

  Args:
    plan: see `make`.
    output: folder; receives the lists of a random split.
    data_set: path of the written description.
    share: of images that are trained on, if they are to be split at random; 0: it is not said.
    seed: of that split.
    lists: files with names of images, the splits.

  Raises:
    UserError: see `split_names`, `splits.by_lists` and `splits.divide`.
  """
  split_names(plan, share, lists)
  sources = {name: make_source(data_set) for name, make_source in plan.sources.items()}
  if WHOLE not in sources:
    return sources
  if lists:
    return dict(splits.by_lists(sources[WHOLE], lists, data_set))
  return dict(splits.divide(sources[WHOLE], share, seed, output, data_set))
