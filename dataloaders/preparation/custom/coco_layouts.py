"""Where COCO's JSONs, the images and the PNGs of panoptic segments are, in the layouts of tools."""

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.dataloaders import coco_json
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import image_index
from tf_maskformer.dataloaders.preparation.custom.found import WHOLE

SPLITS = {'train': 'train', 'training': 'train', 'val': 'val', 'valid': 'val',
          'validation': 'val', 'dev': 'val', 'test': 'test', 'testing': 'test'}
_WORDS = re.compile('[a-z]+')
_SAMPLE = 20  # images by which a folder is judged
_DEPTH = 3  # folders below the given one in which JSONs are looked for
_SHOWN = 4


def split_of(path: str) -> str:
  """Returns the split that the last words of a path name, `WHOLE` where none does.

  'train/_annotations.coco.json' and 'instances_train2017.json' are 'train'.
  """
  for part in reversed(path.split('/')[-2:]):
    words = _WORDS.findall(part.casefold().removesuffix('.json'))
    found = {SPLITS[word] for word in words if word in SPLITS}
    if len(found) == 1:
      return found.pop()
  return WHOLE


def jsons_below(folder: str) -> list[str]:
  """Returns the paths of all JSON files in a folder, at most three folders deep, sorted."""
  found = []
  for place, _, names in tf.io.gfile.walk(folder):
    if place[len(folder):].strip('/').count('/') < _DEPTH:
      found += [posixpath.join(place, name) for name in names
                if name.lower().endswith('.json') and not name.startswith('.')]
  return sorted(found)


def images_folder(given: str, annotations: str, split: str, names: Sequence[str]) -> str:
  """Returns the folder in which images of a JSON are found.

  Args:
    given: by the user; '': next to the JSON.
    annotations: path of the JSON.
    split: of the JSON.
    names: of the images, as the JSON has them.

  Raises:
    UserError: none of some images is in any folder that may be meant.
  """
  step = max(len(names) // _SAMPLE, 1)
  sample = list(names)[::step][:_SAMPLE]
  own = posixpath.dirname(annotations)
  parent = posixpath.dirname(own)
  roots = [given or own]
  if not given and not parent.endswith(':'):  # a bucket is in no folder
    roots.append(parent)
  candidates = list(_candidates(roots, split))
  for is_found in (_is_there, _can_be_found):
    best = max(candidates, key=lambda folder: sum(is_found(folder, name) for name in sample))
    if any(is_found(best, name) for name in sample):
      return best
  shown = ', '.join(errors.quoted(name) for name in sample[:_SHOWN])
  raise errors.UserError(
      f'none of the images of {annotations} is in {" or ".join(roots)}: {shown}, …; give their '
      'folder by --images')


def _candidates(roots: Iterable[str], split: str) -> Iterable[str]:
  """Yields folders that may hold the images of a split, the likeliest first."""
  for root in roots:
    yield root
    if not root or not tf.io.gfile.isdir(root):
      continue
    below = [name.strip('/') for name in sorted(tf.io.gfile.listdir(root))]
    folders = [name for name in below if tf.io.gfile.isdir(posixpath.join(root, name))]
    own_split = [name for name in folders if split and split_of(name) == split]
    for name in [*own_split, *(n for n in folders if n.casefold() in ('images', 'image', 'data'))]:
      yield posixpath.join(root, name)
      for deeper in sorted(tf.io.gfile.listdir(posixpath.join(root, name))):
        if split and split_of(deeper.strip('/')) == split:
          yield posixpath.join(root, name, deeper.strip('/'))


def _is_there(folder: str, name: str) -> bool:
  inside = image_index.stays_inside(name)
  return inside and image_index.exists(posixpath.join(folder, name))


def _can_be_found(folder: str, name: str) -> bool:
  try:
    return _is_there(folder, image_index.find(folder, name))
  except UnusableImage:
    return False


def png_folder(annotations: str, content: Mapping[str, Any], images: str) -> str:
  """Returns the folder of a panoptic JSON's PNGs: that of its name, or another one next to it.

  Args:
    annotations: path of the JSON.
    content: of the JSON.
    images: folder of the images, which may have the same names.

  Raises:
    UserError: the PNGs are not found, or in several folders.
  """
  names = [row.get('file_name') for row in content['annotations'] if isinstance(row, dict)]
  name: Any = next((name for name in names if not coco_json.fault_of_name(name, '')), '')
  own = posixpath.splitext(annotations)[0]
  if name and _is_there(own, name):
    return own
  found = []
  for root in dict.fromkeys([posixpath.dirname(annotations), images]):
    for place, _, files in tf.io.gfile.walk(root):
      is_near = place[len(root):].strip('/').count('/') < _DEPTH
      is_images = posixpath.normpath(place) == posixpath.normpath(images)
      if is_near and not is_images and posixpath.basename(name) in files:
        found.append(place)
  found = list(dict.fromkeys(found))
  if len(found) == 1:
    return found[0]
  if not found:
    raise errors.UserError(
        f'the PNGs of {annotations} are not found, {errors.quoted(name)} for one; put their folder '
        f'next to it as {own}')
  raise errors.UserError(
      f'the PNGs of {annotations} may be in {" or ".join(found[:_SHOWN])}; rename the right folder '
      f'to {own}')
