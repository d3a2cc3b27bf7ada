"""The files of YOLO's layout: data.yaml, folders or lists of images, and each image's label."""

import dataclasses
import posixpath
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import yaml

from tf_maskformer import errors
from tf_maskformer.configs import limits
from tf_maskformer.configs import yaml_text
from tf_maskformer.dataloaders import json_values
from tf_maskformer.dataloaders.preparation import image_index
from tf_maskformer.dataloaders.preparation.custom.coco_layouts import SPLITS
from tf_maskformer.dataloaders.preparation.custom.found import WHOLE

_ENDINGS = ('.yaml', '.yml')
_USUAL_NAMES = ('data.yaml', 'data.yml')
_NAME_FILES = ('classes.txt', 'obj.names', 'labels.txt')
_LARGEST = 2**24  # bytes of a text file
_NODES = 10 * limits.SEGMENTS
_FEWEST = 5  # numbers of a line, that of a box
_SHOWN = 4


@dataclasses.dataclass(frozen=True)
class Layout:
  """A data set in YOLO's layout.

  Attributes:
    names: file that names the classes, '' without one.
    root: folder that relative paths are below.
    splits: folder or list of images by split.
    said: what is odd about where they are.
  """
  names: str
  root: str
  splits: Mapping[str, str]
  said: tuple[str, ...] = ()


def layout(annotations: str, images: str) -> Layout | None:
  """Returns where a data set's files are; None: it is not in YOLO's layout.

  Args:
    annotations: data.yaml, or a folder that holds it, or labels.
    images: folder, or ''.

  Raises:
    UserError: data.yaml cannot be read or names images that are not found.
  """
  if annotations.endswith(_ENDINGS) and not tf.io.gfile.isdir(annotations):
    return _of_yaml(annotations)
  if not tf.io.gfile.isdir(annotations):
    return None
  inside = sorted(tf.io.gfile.listdir(annotations))
  paths = [posixpath.join(annotations, name) for name in inside if name.endswith(_ENDINGS)]
  described = [path for path in paths if is_data_yaml(path)]
  if len(described) > 1:
    raise errors.UserError(f'{annotations} has several files that name classes: '
                           f'{", ".join(described[:_SHOWN])}; give one of them by --annotations')
  if described:
    return _of_yaml(described[0])
  return _of_folder(annotations, images or annotations)


def is_data_yaml(path: str) -> bool:
  """Whether a YAML file describes a data set; raises UserError where it should, by its name."""
  has_usual_name = posixpath.basename(path) in _USUAL_NAMES
  try:
    content = _load(path)
  except errors.UserError:
    if has_usual_name:
      raise
    return False
  if has_usual_name and isinstance(content, dict) and 'train' in content:
    errors.require('names' in content, f'{path} names no classes; add "names: [NAME, NAME]"')
  return isinstance(content, dict) and 'names' in content and 'train' in content


def _load(path: str) -> Any:
  try:
    return yaml_text.load(read_text(path), _NODES)
  except yaml.YAMLError as e:
    raise errors.UserError(f'{path} is not YAML: {" ".join(str(e).split())}') from e


def _of_yaml(path: str) -> Layout | None:
  content = _load(path)
  if not isinstance(content, dict) or 'names' not in content:
    return None
  read_names(path)
  folder = posixpath.dirname(path) or '.'
  root = folder
  given = content.get('path')
  if isinstance(given, str) and given:
    candidates = (given, posixpath.join(folder, given))
    root = next((one for one in candidates if tf.io.gfile.isdir(one)), folder)
  splits: dict[str, str] = {}
  said = []
  for key, split in SPLITS.items():
    value = content.get(key)
    if isinstance(value, list) and len(value) == 1:
      value = value[0]
    if isinstance(value, list) and value:
      raise errors.UserError(f'{path}: {key} is a list of {len(value)} folders; give one folder, '
                             'or a text file with the images')
    if not isinstance(value, str) or not value:
      continue
    found = _place(value, root, folder)
    if found:
      splits[split] = found
    elif split == 'test':
      said.append(f'{path}: test is {errors.quoted(value)}, which is not there: left out')
    else:
      raise errors.UserError(f'{path}: {key} is {errors.quoted(value)}, which is neither there nor '
                             f'below {root}; correct the path')
  errors.require(bool(splits), f'{path} says nothing of train and val; add their folders')
  if len(set(splits.values())) < len(splits):
    said.append(f'{path}: of {", ".join(splits)} some are the same images; images that are trained '
                'on cannot be scored, so they are one lot that is to be split')
  if len(splits) == 1 or len(set(splits.values())) < len(splits):
    splits = {WHOLE: next(iter(splits.values()))}
  return Layout(path, root, splits, tuple(said))


def _place(value: str, root: str, folder: str) -> str:
  """Returns a folder or list that a data.yaml names, '' where it is not there.

  Of a path that does not exist, such as Roboflow's '../train/images', the longest end that does
  exist below the data set counts.
  """
  value = value.replace('\\', '/').rstrip('/')
  for base in (root, folder):
    path = posixpath.join(base, value)
    if image_index.exists(path) and not _leads_astray(value, folder):
      return path
  parts = [part for part in value.split('/') if part not in ('', '.', '..')]
  for start in range(len(parts)):
    for base in (root, folder):
      path = posixpath.join(base, *parts[start:])
      if image_index.exists(path):
        return path
  return ''


def _leads_astray(value: str, folder: str) -> bool:
  """Whether a path out of the data set is also found in it, as Roboflow means it."""
  parts = [part for part in value.split('/') if part not in ('', '.', '..')]
  return value.startswith('..') and image_index.exists(posixpath.join(folder, *parts))


def _of_folder(annotations: str, images: str) -> Layout | None:
  """Returns a folder of labels without a data.yaml, as labelling tools export it."""
  places = [posixpath.join(annotations, 'labels'), annotations]
  labels = next((place for place in places if _holds_labels(place)), None)
  if labels is None:
    return None
  folders = [annotations, posixpath.dirname(labels), labels]
  candidates = [posixpath.join(folder, name) for folder in folders for name in _NAME_FILES]
  names = next((path for path in candidates if tf.io.gfile.exists(path)), '')
  own_images = posixpath.join(annotations, 'images')
  if images == annotations and tf.io.gfile.isdir(own_images):
    images = own_images
  return Layout(names, images, {WHOLE: images})


def _holds_labels(folder: str) -> bool:
  """Whether a folder holds text files that begin with a line of numbers."""
  if not tf.io.gfile.isdir(folder):
    return False
  for name in sorted(tf.io.gfile.listdir(folder)):
    if name.endswith('.txt') and name not in _NAME_FILES:
      words = _first_line(posixpath.join(folder, name)).split()
      if words:
        return len(words) >= _FEWEST and all(_is_number(word) for word in words)
  return False


def _first_line(path: str) -> str:
  """Returns the first line of a text file, '' of what is not one."""
  try:
    return read_text(path).partition('\n')[0]
  except errors.UserError:
    return ''


def _is_number(word: str) -> bool:
  try:
    float(word)
  except ValueError:
    return False
  return True


def read_names(path: str) -> dict[int, str]:
  """Returns the names of the classes by their number.

  Args:
    path: of data.yaml, whose names are a list or a group {0: name, ...}, or of a text file.

  Raises:
    UserError: they are not names, or two are the same.
  """
  if not path.endswith(_ENDINGS):
    lines = [line.strip() for line in read_text(path).splitlines()]
    names = dict(enumerate(line for line in lines if line))
  else:
    content = _load(path)
    stated: Any = content.get('names') if isinstance(content, dict) else None
    rows = enumerate(stated) if isinstance(stated, list) else (
        stated.items() if isinstance(stated, dict) else ())
    names = {json_values.as_whole(key): str(name).strip() for key, name in rows}
    count = content.get('nc', len(names)) if isinstance(content, dict) else 0
    if type(count) is int and names and count != len(names):
      raise errors.UserError(f'{path}: nc is {count}, but names are {len(names)}; correct either')
  if not names or not all(json_values.is_whole(key, 0, limits.INT32) for key in names):
    raise errors.UserError(
        f'{path}: names are not a list of names, or a group of numbers and names')
  if not all(names.values()):
    raise errors.UserError(f'{path} has an empty name; give every class one')
  return names


def images_of(images: str, root: str) -> tuple[str, list[str]]:
  """Returns a folder and the relative paths of the images of a split in it, sorted.

  Args:
    images: folder, or text file with a path per line.
    root: folder that relative paths of such a file are below.

  Raises:
    UserError: the file names no image.
  """
  if tf.io.gfile.isdir(images):
    return images, sorted(image_index.images_below(images))
  lines = [line.strip() for line in read_text(images).splitlines()]
  names = [line.removeprefix('./') for line in lines if line]
  errors.require(bool(names), f'{images} names no image; it needs a path per line')
  return root, sorted({image_index.find(root, name) for name in names})


def label_of(folder: str, name: str) -> str:
  """Returns the path of an image's label: in `labels` for `images`, or next to it; '' without."""
  stem = posixpath.splitext(posixpath.join(folder, name))[0]
  parts = stem.split('/')
  places = [k for k, part in enumerate(parts[:-1]) if part.casefold() == 'images']
  candidates = [f'{"/".join([*parts[:k], "labels", *parts[k + 1:]])}.txt' for k in places[::-1]]
  candidates.append(f'{stem}.txt')
  beside = posixpath.join(posixpath.dirname(folder.rstrip('/')), 'labels', name)
  candidates.append(f'{posixpath.splitext(beside)[0]}.txt')
  candidates.append(posixpath.join(folder, 'labels', f'{posixpath.splitext(name)[0]}.txt'))
  return next((path for path in candidates if image_index.exists(path)), '')


def read_text(path: str) -> str:
  """Returns the text of a small file, UTF-8; raises UserError where it is not."""
  with tf.io.gfile.GFile(path, 'rb') as file:
    data = file.read(_LARGEST + 1)
  if len(data) > _LARGEST:
    raise errors.UserError(f'{path} has more than {_LARGEST} bytes')
  try:
    return data.decode('utf-8-sig')
  except UnicodeDecodeError as e:
    raise errors.UserError(f'{path} is not text in UTF-8 (byte {e.start})') from e
