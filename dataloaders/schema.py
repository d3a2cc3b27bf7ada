"""The record: which keys an image's tf.train.Example has, written and read in this one place."""

import dataclasses
import io
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from PIL import Image
from pycocotools import mask as mask_tools

from tf_maskformer.dataloaders import run_lengths
from tf_maskformer.dataloaders.images import UnusableImage

# Raised when preparation writes other records than before; what was converted earlier is converted
# again.
FORMAT = 3
MAX_SEGMENTS = 65535  # id maps are 16-bit PNGs
# What a record may ask the memory for, far above what data sets hold: pixels of an image, pixels of
# all id maps of an image, and of the masks of all its instances (a byte each).
MAX_PIXELS = 2**28
MAX_MAP_PIXELS = 2**29
MAX_MASK_PIXELS = 2**33
MAX_AREA = 2**31 - 1  # pixels of a segment; the input pipeline computes in 32 bits
# Pixels; drawing an outline costs time and memory by its length. A corner may be outside the image.
MAX_COORDINATE = 2**17
MAX_OUTLINE = 2**22
# In every record that knows the instances, even where there are none.
INSTANCE_CLASS = 'instances/class'


@dataclasses.dataclass(frozen=True)
class Segment:
  """One segment of an image.

  Attributes:
    class_id: contiguous class.
    is_crowd: whether it stands for a group of things that were not told apart.
    plane: the id map that holds it.
    area: pixels, as the annotation file states it.
    id: id in the annotation file.
    polygons: its outlines, float64 [corners, 2] of x, y in pixels each; empty where it is given by
      pixels.
  """
  class_id: int
  is_crowd: bool
  plane: int
  area: int
  id: int
  polygons: tuple[np.ndarray, ...] = ()


@dataclasses.dataclass(frozen=True)
class Instance:
  """One instance of an image, as the instance annotations have it; instances may overlap.

  Attributes:
    class_id: contiguous class.
    is_crowd: whether it stands for a group of things that were not told apart.
    area: pixels, as the annotation file states it, an integer.
    id: id in the annotation file.
    mask: bool [height, width], the full mask.
  """
  class_id: int
  is_crowd: bool
  area: int
  id: int
  mask: np.ndarray


def encode_id_map(id_map: np.ndarray) -> bytes:
  """Returns integers 0 .. 65535, [height, width], as a 16-bit grayscale PNG."""
  buffer = io.BytesIO()
  Image.fromarray(id_map.astype(np.uint16)).save(buffer, 'PNG')
  return buffer.getvalue()


def write(image: bytes, image_format: str, size: tuple[int, int], source_id: str, filename: str,
          id_maps: list[np.ndarray], segments: list[Segment], void: np.ndarray | None = None,
          instances: list[Instance] | None = None) -> bytes:
  """Returns an image as a serialized tf.train.Example.

  Args:
    image: the encoded file.
    image_format: 'jpeg' or 'png'.
    size: (height, width).
    source_id: the image's id in its data set.
    filename: for messages.
    id_maps: [height, width] each; value k is the k-th of `segments`, counted from 1; 0 is void.
    segments: all segments of the image.
    void: bool [height, width], pixels that no score counts, where those differ from the pixels of
      no segment.
    instances: of a panoptic data set, what AP is measured against; None: not known.

  Raises:
    UnusableImage: the image or its id maps have more pixels than a record may have.
  """
  num_pixels = size[0] * size[1]
  if num_pixels > MAX_PIXELS:
    raise UnusableImage(f'{filename} has more than {MAX_PIXELS} pixels, the most of a record')
  if len(id_maps) * num_pixels > MAX_MAP_PIXELS:
    raise UnusableImage(f'{filename} needs {len(id_maps)} id maps, more than {MAX_MAP_PIXELS} '
                        'pixels, the most of a record')
  features = {
      'image/encoded': _bytes([image]),
      'image/format': _bytes([image_format.encode()]),
      'image/height': _ints([size[0]]),
      'image/width': _ints([size[1]]),
      'image/source_id': _bytes([source_id.encode()]),
      'image/filename': _bytes([filename.encode()]),
      'image/id_maps': _bytes([encode_id_map(id_map) for id_map in id_maps]),
      'segments/class': _ints([s.class_id for s in segments]),
      'segments/is_crowd': _ints([int(s.is_crowd) for s in segments]),
      'segments/layer': _ints([s.plane for s in segments]),
      'segments/area': _ints([s.area for s in segments]),
      'segments/id': _ints([s.id for s in segments]),
      **_polygon_features(segments),
  }
  if void is not None:
    features['image/void'] = _bytes([encode_id_map(void)])
  if instances is not None:
    features.update(_instance_features(instances))
  example = tf.train.Example(features=tf.train.Features(feature=features))
  return example.SerializeToString(deterministic=True)


def _bytes(values: list[bytes]) -> tf.train.Feature:
  return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _ints(values: list[int]) -> tf.train.Feature:
  return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _polygon_features(segments: list[Segment]) -> dict[str, tf.train.Feature]:
  """Returns the features of all polygons; none where no segment has any."""
  outlines = [(k, outline) for k, s in enumerate(segments) for outline in s.polygons]
  if not outlines:
    return {}
  coordinates = np.concatenate([outline for _, outline in outlines]).astype('<f8')
  return {
      'polygons/segment': _ints([k for k, _ in outlines]),
      'polygons/corners': _ints([len(outline) for _, outline in outlines]),
      'polygons/coordinates': _bytes([coordinates.tobytes()]),
  }


def _instance_features(instances: list[Instance]) -> dict[str, tf.train.Feature]:
  runs = [mask_tools.encode(np.asfortranarray(i.mask.astype(np.uint8))) for i in instances]
  return {
      INSTANCE_CLASS: _ints([i.class_id for i in instances]),
      'instances/is_crowd': _ints([int(i.is_crowd) for i in instances]),
      'instances/area': _ints([i.area for i in instances]),
      'instances/id': _ints([i.id for i in instances]),
      'instances/runs': _bytes([r['counts'] for r in runs]),  # COCO's compressed run lengths
  }


def read_instances(record: bytes, num_classes: int) -> list[Instance] | None:
  """Returns the instances of a serialized record, None where it does not know them.

  They are for scoring on the host alone; the input pipeline does not read them.

  Args:
    record: of which `record_checks.checked` has seen the features.
    num_classes: of the data set.

  Raises:
    UnusableImage: they contradict each other or the image.
  """
  features = tf.train.Example.FromString(record).features.feature
  if INSTANCE_CLASS not in features:
    return None
  size = tuple(features[f'image/{side}'].int64_list.value[0] for side in ('height', 'width'))
  runs = features['instances/runs'].bytes_list.value
  columns = {name: features[f'instances/{name}'].int64_list.value
             for name in ('class', 'is_crowd', 'area', 'id')}
  for name, values in columns.items():
    if len(values) != len(runs):
      raise UnusableImage(f'it does not have one instances/{name} per instance')
  _require_instances_fit(columns, size, num_classes)
  instances = []
  for i, counts in enumerate(runs):
    try:
      mask = run_lengths.decode(counts, size)
    except ValueError as e:
      raise UnusableImage(f'instance {i} of it has no mask: {e}') from e
    instances.append(Instance(
        class_id=columns['class'][i],
        is_crowd=bool(columns['is_crowd'][i]),
        area=columns['area'][i],
        id=columns['id'][i],
        mask=mask))
  return instances


def _require_instances_fit(columns: dict[str, Sequence[int]], size: tuple[int, int],
                           num_classes: int) -> None:
  """Raises UnusableImage where a value of the instances is out of range."""
  require_masks_fit(len(columns['class']), size)
  bounds = {'class': num_classes - 1, 'is_crowd': 1, 'area': MAX_AREA}
  for name, largest in bounds.items():
    if not all(0 <= value <= largest for value in columns[name]):
      raise UnusableImage(f'it has an instances/{name} outside 0 to {largest}')


def require_masks_fit(count: int, size: tuple[int, int]) -> None:
  """Raises UnusableImage where full masks of an image's segments would need too much memory."""
  if count * size[0] * size[1] > MAX_MASK_PIXELS:
    raise UnusableImage(f'{count} masks of {size[0]}x{size[1]} pixels are more than '
                        f'{MAX_MASK_PIXELS} pixels in all')


def features() -> dict:
  """Returns the parsing specification of this project's records, along with Model Garden's."""
  return {
      'image/encoded': tf.io.FixedLenFeature([], tf.string),
      'image/height': tf.io.FixedLenFeature([], tf.int64),
      'image/width': tf.io.FixedLenFeature([], tf.int64),
      'image/source_id': tf.io.FixedLenFeature([], tf.string, ''),
      'image/filename': tf.io.FixedLenFeature([], tf.string, ''),
      'image/id_maps': tf.io.RaggedFeature(tf.string),
      'image/void': tf.io.FixedLenFeature([], tf.string, ''),
      'segments/class': tf.io.RaggedFeature(tf.int64),
      'segments/is_crowd': tf.io.RaggedFeature(tf.int64),
      'segments/layer': tf.io.RaggedFeature(tf.int64),
      'segments/area': tf.io.RaggedFeature(tf.int64),
      'segments/id': tf.io.RaggedFeature(tf.int64),
      'polygons/segment': tf.io.RaggedFeature(tf.int64),
      'polygons/corners': tf.io.RaggedFeature(tf.int64),
      'polygons/coordinates': tf.io.FixedLenFeature([], tf.string, ''),
      # Model Garden's COCO converter.
      'image/panoptic/category_mask': tf.io.FixedLenFeature([], tf.string, ''),
      'image/panoptic/instance_mask': tf.io.FixedLenFeature([], tf.string, ''),
  }
