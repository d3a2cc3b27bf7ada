"""The embedded data set: drawn images with their segments, in COCO's panoptic layout."""

import dataclasses
import os
from typing import Any

import numpy as np

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders.preparation import drawn_shapes
from tf_maskformer.dataloaders.preparation.drawn_shapes import Region

_SPLITS = ('train2017', 'val2017')
_FIRST_VALIDATION_ID = 10**6
_SMALLEST_SIZE = 2  # pixels
_LARGEST_SIZE = 4096
ADVICE = 'correct that and run the same command again'
_NUM_COLORS = 256**3
_JPEG_QUALITY = 92
# How the files end; one that was cut does not.
_ENDS = {'.jpg': b'\xff\xd9', '.png': b'IEND\xaeB`\x82'}


@dataclasses.dataclass(frozen=True)
class Options:
  """What to draw: numbers of images, their size in pixels, and the seed."""
  train: int = 2000
  validation: int = 200
  size: int = 128
  seed: int = 0


def _segment_info(region: Region, segment_id: int, category_id: int) -> dict[str, Any]:
  """Returns a row of 'segments_info'."""
  rows = np.flatnonzero(region.mask.any(1))
  columns = np.flatnonzero(region.mask.any(0))
  top = int(rows[0])
  left = int(columns[0])
  return {
      'id': segment_id,
      'category_id': category_id,
      'iscrowd': int(region.is_crowd),
      'area': int(region.mask.sum()),
      'bbox': [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
  }


def _colors_of_ids(id_map: np.ndarray) -> np.ndarray:
  """Returns ids as COCO's panoptic PNGs hold them: red + 256 * green + 65536 * blue."""
  channels = [id_map % 256, id_map // 256 % 256, id_map // 65536]
  return np.stack(channels, axis=-1).astype(np.uint8)


def _write_image(root: str, split: str, image_id: int, options: Options
                 ) -> tuple[dict[str, Any], dict[str, Any]]:
  """Writes an image and its PNG of ids; returns its rows of 'images' and 'annotations'."""
  classes = catalog.get('shapes_panoptic').classes
  rng = np.random.default_rng([options.seed, image_id])
  image, regions = drawn_shapes.draw(rng, options.size)
  segment_ids = (rng.choice(_NUM_COLORS - 1, len(regions), replace=False) + 1).tolist()
  height, width = image.shape[:2]
  id_map = np.zeros([height, width], np.int64)
  segments = []
  for region, segment_id in zip(regions, segment_ids):
    id_map[region.mask] = segment_id
    segments.append(_segment_info(region, segment_id, classes[region.class_id].id))
  name = f'{image_id:012d}'
  files.write_bytes(
      os.path.join(root, split, f'{name}.jpg'),
      images.encode(image, 'JPEG', quality=_JPEG_QUALITY))
  files.write_bytes(
      os.path.join(_annotations(root, split), f'{name}.png'),
      images.encode(_colors_of_ids(id_map), 'PNG'))
  return (
      {'id': image_id, 'file_name': f'{name}.jpg', 'height': height, 'width': width},
      {'image_id': image_id, 'file_name': f'{name}.png', 'segments_info': segments})


def _write_split(root: str, split: str, image_ids: range, options: Options) -> None:
  """Writes the images, the PNGs and, last, the JSON of one split."""
  for folder in (os.path.join(root, split), _annotations(root, split)):
    files.make_folder(folder)
  rows = []
  annotations = []
  for image_id in image_ids:
    image, annotation = _write_image(root, split, image_id, options)
    rows.append(image)
    annotations.append(annotation)
  categories = [
      {
          'id': c.id,
          'name': c.name,
          'supercategory': 'shape' if c.isthing else 'ground',
          'isthing': int(c.isthing),
          'color': list(c.color),
      }
      for c in catalog.get('shapes_panoptic').classes]
  content = {
      'info': {'description': 'drawn shapes', 'options': dataclasses.asdict(options)},
      'images': rows,
      'annotations': annotations,
      'categories': categories,
  }
  files.write_json(f'{_annotations(root, split)}.json', content, indent=None)


def folders() -> list[str]:
  """Returns the folders that files are written to, relative to the root."""
  return [
      *_SPLITS, 'annotations', *(f'annotations/panoptic_{split}' for split in _SPLITS)]


def check(options: Options) -> None:
  """Raises UserError for options that nothing can be drawn with."""
  bounds = {
      'train': (0, _FIRST_VALIDATION_ID - 1),  # ids of the two splits must not meet
      'validation': (0, _FIRST_VALIDATION_ID),
      'size': (_SMALLEST_SIZE, _LARGEST_SIZE),
      'seed': (0, None),
  }
  for name, (least, most) in bounds.items():
    value = getattr(options, name)
    if value < least:
      raise errors.UserError(f'--{name} {value} is too small; give {least} or more')
    if most is not None and value > most:
      raise errors.UserError(f'--{name} {value} is too large; give {most} or less')


def write(root: str, options: Options = Options()) -> bool:
  """Writes the data set below `root` in COCO's layout (train2017, val2017, annotations).

  Args:
    root: the folder, local or remote.
    options: what to draw.

  Returns:
    Whether anything was drawn; False where the same data set exists already, complete.

  Raises:
    UserError: an option is out of its range, or the file system refuses.
  """
  check(options)
  image_ids = {
      'train2017': range(1, options.train + 1),
      'val2017': range(_FIRST_VALIDATION_ID, _FIRST_VALIDATION_ID + options.validation),
  }
  was_drawn = False
  for split in _SPLITS:
    if not _is_complete(root, split, options):
      with files.writing(f'{split} in {root}', ADVICE):
        _write_split(root, split, image_ids[split], options)
      was_drawn = True
  return was_drawn


def _is_complete(root: str, split: str, options: Options) -> bool:
  """Whether a split with these options is there, every file up to its end."""
  annotations = _annotations(root, split)
  path = f'{annotations}.json'
  if not files.is_file(path):
    return False
  try:
    content: Any = files.read_json(path)
    if content['info'].get('options') != dataclasses.asdict(options):
      return False
    paths = [
        *(os.path.join(root, split, row['file_name']) for row in content['images']),
        *(os.path.join(annotations, row['file_name']) for row in content['annotations'])]
  except (errors.UserError, AttributeError, KeyError, TypeError) as e:
    reason = e if isinstance(e, errors.UserError) else f'{path}: {e!r}'
    errors.warn(f'{reason}; {split} is drawn again')
    return False
  cut = [path for path in paths if not _has_its_end(path)]
  if cut:
    errors.warn(f'{cut[0]} is missing or damaged; {split} is drawn again')
  return not cut


def _has_its_end(path: str) -> bool:
  """Whether a file exists and ends as its format does."""
  end = _ENDS[os.path.splitext(path)[1]]
  return files.is_file(path) and files.read_bytes(path).endswith(end)


def _annotations(root: str, split: str) -> str:
  """Returns the folder of a split's PNGs; the JSON is next to it."""
  return os.path.join(root, 'annotations', f'panoptic_{split}')
