"""Which label image belongs to which image: the rule by which their names agree is found out."""

import os
import posixpath
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.dataloaders.preparation.custom import name_rules
from tf_maskformer.dataloaders.preparation.custom.name_rules import Rule

# Of photographs, and of files that keep every value.
_PHOTOGRAPHS = ('.avif', '.jp2', '.jpeg', '.jpg', '.webp')
_LOSSLESS = ('.bmp', '.gif', '.pgm', '.png', '.ppm', '.qoi', '.tga', '.tif', '.tiff')
ENDINGS = (*_PHOTOGRAPHS, *_LOSSLESS)
# Folders whose names tell what is in them, and nothing of which image it is.
_IMAGE_FOLDERS = {
    'image', 'images', 'img', 'imgs', 'jpegimages', 'leftimg8bit', 'original', 'originals',
    'photos', 'raw', 'rgb'}
_LABEL_FOLDERS = {
    'annotation', 'annotations', 'annots', 'gt', 'gtfine', 'ground_truth', 'groundtruth', 'label',
    'labels', 'mask', 'masks', 'seg', 'segmentation', 'segmentations', 'segmentationclass',
    'semantic', 'target', 'targets'}
_SPLITS = {
    'train': 'train', 'training': 'train', 'val': 'val', 'valid': 'val', 'validation': 'val',
    'dev': 'val', 'test': 'test', 'testing': 'test'}
_SHARE = 0.5  # a rule that pairs this share of what the best one pairs is another kind of label
_SHOWN = 3


class Pair(NamedTuple):
  """Paths relative to the folders of images and of labels; `id` is the image's without ending."""
  id: str
  image: str
  label: str


class Pairs(NamedTuple):
  """What was found.

  Attributes:
    pairs: sorted.
    rule: how the names agree.
    images_alone: images without a label.
    labels_alone: labels without an image.
  """
  pairs: list[Pair]
  rule: Rule
  images_alone: list[str]
  labels_alone: list[str]

  def said(self) -> list[str]:
    """Returns lines for the user."""
    lines = [f'images with a label {self.rule}: {len(self.pairs)}']
    if self.images_alone:
      lines.append(
          f'left out, images without a label: {len(self.images_alone)} '
          f'({_some(self.images_alone)})')
    if self.labels_alone:
      lines.append(
          f'left out, labels without an image: {len(self.labels_alone)} '
          f'({_some(self.labels_alone)})')
    return lines


def find(images: str, labels: str, label_suffix: str = '', preferred: str = '') -> Pairs:
  """Pairs images with labels.

  Args:
    images: folder, searched with all folders below it.
    labels: the same; may be the same folder, or within.
    label_suffix: end of the labels' names after what images share, with or without the file's
      ending; '': found out.
    preferred: word in the suffix that is taken where images have labels of several kinds.

  Raises:
    UserError: nothing fits, more than one rule does, or a rule leaves some out that was not given.
  """
  image_names, label_names = _names(images, labels)
  are_both = image_names == label_names and _place(images) == _place(labels)
  suffix, ending = _suffix_and_ending(label_suffix)
  if label_suffix:
    if are_both:
      image_names = [name for name in image_names if not _fits(name, suffix, ending)]
    label_names = [name for name in label_names if _fits(name, suffix, ending)]
  for view in (_stem, _without_roles, _base, _folded):
    image_of = _by_key(image_names, view)
    label_of = _by_key(label_names, view)
    if view is not _stem and not _are_distinct(image_of, label_of):
      continue
    tried = _tried(
        image_of, label_of, suffix if label_suffix else None, are_both and not label_suffix)
    if tried:
      rule = _chosen(tried, labels, preferred)
      found = _paired(tried[rule], rule, image_of, label_of)
      if are_both:
        found = _without_doubles(found)
      if not label_suffix and rule != Rule():
        _require_all(found, labels)
      return found
  if are_both:
    raise errors.UserError(
        f'{images} holds images ({_some(image_names)}) and no label of one by its name; '
        'name the two folders with --images and --annotations, or give --label_suffix, what '
        'follows the name of an image in that of its label')
  raise errors.UserError(
      f'no image of {images} ({_some(image_names)}) has a label in {labels} '
      f'({_some(label_names)}) by its name; give --label_suffix, what follows the name of the '
      'image in that of its label, or give the folders whose names agree')


def holds_images(folder: str) -> bool:
  """Whether there is any image in a folder or below it."""
  return bool(_below(folder))


def split_of(name: str) -> str:
  """Returns 'train', 'val' or 'test' where a folder of a path says so, else ''."""
  found = [_SPLITS[part] for part in _folders(name) if part in _SPLITS]
  return found[0] if found else ''


def _some(names: Sequence[str]) -> str:
  """Returns the first of some names, for a message."""
  if not names:
    return 'none'
  more = ', ...' if len(names) > _SHOWN else ''
  return ', '.join(errors.quoted(name) for name in sorted(names)[:_SHOWN]) + more


def _folders(name: str) -> list[str]:
  return posixpath.dirname(name).lower().split('/')


def _below(folder: str) -> list[str]:
  """Returns the relative paths of all images below a folder, sorted."""
  found = []
  try:
    for current, _, names in tf.io.gfile.walk(folder):
      below = current[len(folder):].strip('/')
      if '__MACOSX' in below:
        continue
      for name in names:
        if name.lower().endswith(ENDINGS) and not name.startswith('.'):
          found.append(posixpath.join(below, name))
  except UnicodeDecodeError as e:
    raise errors.UserError(
        f'{folder} holds a name that is not UTF-8 ({e.object!r}); rename it') from e
  return sorted(found)


def _place(folder: str) -> str:
  """Returns a folder's path, the same for every way to write it."""
  return posixpath.normpath(folder) if '://' in folder else os.path.realpath(folder)


def _names(images: str, labels: str) -> tuple[list[str], list[str]]:
  """Returns the names of images and of labels, relative to their folders."""
  if _place(images) == _place(labels):
    return _told_apart(_below(images))
  image_names = _outside(_below(images), images, labels)
  label_names = _outside(_below(labels), labels, images)
  return image_names, label_names


def _outside(names: list[str], folder: str, other: str) -> list[str]:
  """Returns names in a folder that are not in another folder within it."""
  inside = posixpath.relpath(_place(other), _place(folder)) + '/'
  return [name for name in names if not name.startswith(inside)]


def _told_apart(names: list[str]) -> tuple[list[str], list[str]]:
  """Returns which of the names in one folder are images and which labels; all are both at worst."""
  roles = {name: _role(name) for name in names}
  image_names = [name for name in names if roles[name] == 'image']
  label_names = [name for name in names if roles[name] == 'label']
  if image_names and label_names:
    return image_names, label_names
  photographs = [name for name in names if name.lower().endswith(_PHOTOGRAPHS)]
  others = [name for name in names if not name.lower().endswith(_PHOTOGRAPHS)]
  return (photographs, others) if photographs and others else (names, names)


def _role(name: str) -> str:
  for part in reversed(_folders(name)):
    if part in _LABEL_FOLDERS:
      return 'label'
    if part in _IMAGE_FOLDERS:
      return 'image'
  return ''


def _stem(name: str) -> str:
  return os.path.splitext(name)[0]


def _without_roles(name: str) -> str:
  folder, base = posixpath.split(_stem(name))
  roles = _IMAGE_FOLDERS | _LABEL_FOLDERS
  kept = [part for part in folder.split('/') if part.lower() not in roles]
  return posixpath.join(*kept, base) if kept else base


def _base(name: str) -> str:
  return posixpath.basename(_stem(name))


def _folded(name: str) -> str:
  """Returns a path whose letters are written in one way, large and small and accented ones."""
  return unicodedata.normalize('NFC', _stem(name)).casefold()


def _by_key(names: Iterable[str], view: Callable[[str], str]) -> dict[str, list[str]]:
  found: dict[str, list[str]] = {}
  for name in names:
    found.setdefault(view(name), []).append(name)
  return found


def _are_distinct(*groups: Mapping[str, list[str]]) -> bool:
  return all(len(names) == 1 for group in groups for names in group.values())


def _suffix_and_ending(label_suffix: str) -> tuple[str, str]:
  """Returns '_mask' and '.png' of '_mask.png'."""
  suffix, ending = os.path.splitext(label_suffix)
  if label_suffix.lower() in ENDINGS:
    return '', label_suffix.lower()
  if ending.lower() in ENDINGS:
    return suffix, ending.lower()
  return label_suffix, ''


def _fits(name: str, suffix: str, ending: str) -> bool:
  return _stem(name).endswith(suffix) and name.lower().endswith(ending)


def _tried(image_of: Mapping[str, list[str]], label_of: Mapping[str, list[str]], suffix: str | None,
           are_both: bool) -> dict[Rule, dict[str, tuple[str, str]]]:
  """Returns what each rule that pairs anything pairs; keys of image and label by what they share.

  Args:
    image_of: images by key.
    label_of: labels by key.
    suffix: of the rule; None: any.
    are_both: whether these are the same files, of which some are images and some are labels.
  """
  found = {}
  for rule in name_rules.candidates(list(image_of), list(label_of), suffix):
    if are_both and not rule.label_suffix and not rule.label_prefix:
      continue
    images = name_rules.shared(image_of, rule.image_prefix, rule.image_suffix)
    labels = name_rules.shared(label_of, rule.label_prefix, rule.label_suffix)
    both = {shared: (images[shared], labels[shared]) for shared in images if shared in labels}
    if both:
      found[rule] = both
  return found


def _chosen(tried: Mapping[Rule, dict[str, tuple[str, str]]], labels: str, preferred: str
            ) -> Rule:
  """Returns the rule that pairs most; raises UserError where another pairs about as many.

  Args:
    tried: see `_tried`.
    labels: folder, for messages.
    preferred: see `find`.
  """
  most = max(len(both) for both in tried.values())
  rivals = [rule for rule, both in tried.items() if len(both) > _SHARE * most]
  if Rule() in rivals:
    return Rule()
  wanted = [rule for rule in rivals if preferred and preferred in rule.label_suffix.lower()]
  if wanted and len({rule.label_suffix for rule in wanted}) == 1:
    rivals = wanted
  best = max(rivals, key=lambda rule: (len(tried[rule]), -len(''.join(rule))))
  own = {label for _, label in tried[best].values()}
  kinds = {best.label_suffix}
  for rule in rivals:
    others = {label for _, label in tried[rule].values()}
    if not others & own:
      kinds.add(rule.label_suffix)
  if len(kinds) > 1:
    shown = ', '.join(errors.quoted(kind) for kind in sorted(kinds))
    raise errors.UserError(
        f'{labels} has several labels for an image, whose names end in {shown}; give the one that '
        f'is meant, for example --label_suffix {errors.quoted(min(kinds))}')
  return best


def _paired(both: Mapping[str, tuple[str, str]], rule: Rule, image_of: Mapping[str, list[str]],
            label_of: Mapping[str, list[str]]) -> Pairs:
  """Returns the pairs of a rule; raises UserError where a file has a twin of another ending."""
  pairs = []
  for image_key, label_key in both.values():
    for names, what in ((image_of[image_key], 'images'), (label_of[label_key], 'labels')):
      if len(names) > 1:
        raise errors.UserError(
            f'{_some(names)} are {what} of one name; remove one, or give folders or --label_suffix '
            'with its ending that tell them apart')
    pairs.append(Pair(_stem(image_of[image_key][0]), image_of[image_key][0],
                      label_of[label_key][0]))
  images_alone = {name for names in image_of.values() for name in names}
  labels_alone = {name for names in label_of.values() for name in names}
  images_alone.difference_update(pair.image for pair in pairs)
  labels_alone.difference_update(pair.label for pair in pairs)
  return Pairs(sorted(pairs), rule, sorted(images_alone), sorted(labels_alone))


def _without_doubles(found: Pairs) -> Pairs:
  """Returns pairs of files in one folder, where what is a label is not an image without one."""
  images = {pair.image for pair in found.pairs}
  labels = {pair.label for pair in found.pairs}
  if images & labels:
    raise errors.UserError(
        f'{_some(list(images & labels))} would be an image and a label; give the labels a folder '
        'of their own, or --label_suffix')
  images_alone = [name for name in found.images_alone if name not in labels]
  return found._replace(images_alone=images_alone, labels_alone=[])


def _require_all(found: Pairs, labels: str) -> None:
  """Raises UserError where a rule that was found out leaves out images and labels."""
  if found.images_alone and found.labels_alone:
    suffix = found.rule.label_suffix
    advice = f'give --label_suffix {suffix} if' if suffix else 'rename them unless'
    raise errors.UserError(
        f'{len(found.pairs)} labels of {labels} are {found.rule}, but these are not paired: '
        f'{len(found.images_alone)} of the images ({_some(found.images_alone)}) and '
        f'{len(found.labels_alone)} of the labels ({_some(found.labels_alone)}); {advice} they are '
        'to be left out')
