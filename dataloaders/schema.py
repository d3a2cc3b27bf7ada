"""The record: which keys an image's tf.train.Example has, written and read in this one place."""

import dataclasses
import io

import numpy as np
import tensorflow as tf
from PIL import Image
from pycocotools import mask as mask_tools

# Raised when preparation writes other records than before; what was converted earlier is converted
# again.
FORMAT = 3
MAX_SEGMENTS = 65535  # id maps are 16-bit PNGs
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


def decode_id_map(png: bytes) -> np.ndarray:
  """Returns the id map of a 16-bit grayscale PNG, int32 [height, width]."""
  return np.asarray(Image.open(io.BytesIO(png))).astype(np.int32)


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
  """
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


def read_instances(record: bytes) -> list[Instance] | None:
  """Returns the instances of a serialized record, None where it does not know them.

  They are for scoring on the host alone; the input pipeline does not read them.
  """
  features = tf.train.Example.FromString(record).features.feature
  if INSTANCE_CLASS not in features:
    return None
  size = [features[f'image/{side}'].int64_list.value[0] for side in ('height', 'width')]
  instances = []
  for i, counts in enumerate(features['instances/runs'].bytes_list.value):
    instances.append(Instance(
        class_id=features[INSTANCE_CLASS].int64_list.value[i],
        is_crowd=bool(features['instances/is_crowd'].int64_list.value[i]),
        area=features['instances/area'].int64_list.value[i],
        id=features['instances/id'].int64_list.value[i],
        mask=mask_tools.decode({'size': size, 'counts': counts}).astype(bool)))
  return instances


def features() -> dict:
  """Returns the parsing specification of this project's records, along with Model Garden's."""
  return {
      'image/encoded': tf.io.FixedLenFeature([], tf.string),
      'image/height': tf.io.FixedLenFeature([], tf.int64),
      'image/width': tf.io.FixedLenFeature([], tf.int64),
      'image/source_id': tf.io.FixedLenFeature([], tf.string, ''),
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
