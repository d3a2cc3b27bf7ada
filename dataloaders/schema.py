"""The record: which keys a picture's tf.train.Example has, written and read in this one place."""

import dataclasses
import io

import numpy as np
import tensorflow as tf
from PIL import Image

FORMAT = 3  # raised when converters write other records than before; what was converted earlier is converted again
MAX_SEGMENTS = 65535  # id maps are 16-bit PNGs


@dataclasses.dataclass(frozen=True)
class Segment:
  """One segment of a picture.

  Attributes:
    class_id: contiguous class.
    is_crowd: whether it stands for a group of things that were not told apart.
    layer: the id map that holds it.
    area: pixels, as the annotation file states it.
    id: id in the annotation file.
    polygons: its outlines, float64 [corners, 2] of x, y in pixels each; empty where it is given by pixels.
  """
  class_id: int
  is_crowd: bool
  layer: int
  area: int
  id: int
  polygons: tuple[np.ndarray, ...] = ()


def encode_id_map(id_map: np.ndarray) -> bytes:
  """Returns [height, width] of whole numbers below 65536 as a 16-bit greyscale PNG."""
  buffer = io.BytesIO()
  Image.fromarray(id_map.astype(np.uint16)).save(buffer, 'PNG')
  return buffer.getvalue()


def decode_id_map(png: bytes) -> np.ndarray:
  """Returns the id map of a 16-bit greyscale PNG, int32 [height, width]."""
  return np.asarray(Image.open(io.BytesIO(png))).astype(np.int32)


def _bytes(*values: bytes) -> tf.train.Feature:
  return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _ints(*values: int) -> tf.train.Feature:
  return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _polygons(segments: list[Segment]) -> dict[str, tf.train.Feature]:
  """Returns the features of all polygons; none where no segment has any."""
  rows = [(k, polygon) for k, segment in enumerate(segments) for polygon in segment.polygons]
  if not rows:
    return {}
  coordinates = np.concatenate([polygon for _, polygon in rows]).astype('<f8')
  return {
      'polygons/segment': _ints(*[k for k, _ in rows]),
      'polygons/corners': _ints(*[len(polygon) for _, polygon in rows]),
      'polygons/coordinates': _bytes(coordinates.tobytes()),
  }


def write(picture: bytes, picture_format: str, size: tuple[int, int], source_id: str, filename: str,
          id_maps: list[np.ndarray], segments: list[Segment], void: np.ndarray | None = None) -> bytes:
  """Returns a picture as a serialized tf.train.Example.

  Args:
    picture: the encoded file.
    picture_format: 'jpeg' or 'png'.
    size: (height, width).
    source_id: the picture's id in its data set.
    filename: for messages.
    id_maps: [height, width] a layer; pixel value k is the k-th of `segments`, counted from 1; 0 is void.
    segments: all segments of the picture.
    void: bool [height, width], pixels that no score counts, where those differ from the pixels of no segment.
  """
  return tf.train.Example(features=tf.train.Features(feature={
      'image/encoded': _bytes(picture),
      'image/format': _bytes(picture_format.encode()),
      'image/height': _ints(size[0]),
      'image/width': _ints(size[1]),
      'image/source_id': _bytes(source_id.encode()),
      'image/filename': _bytes(filename.encode()),
      'image/id_maps': _bytes(*[encode_id_map(m) for m in id_maps]),
      'segments/class': _ints(*[s.class_id for s in segments]),
      'segments/is_crowd': _ints(*[int(s.is_crowd) for s in segments]),
      'segments/layer': _ints(*[s.layer for s in segments]),
      'segments/area': _ints(*[s.area for s in segments]),
      'segments/id': _ints(*[s.id for s in segments]),
      **_polygons(segments),
      **({} if void is None else {'image/void': _bytes(encode_id_map(void))}),
  })).SerializeToString(deterministic=True)


def features() -> dict:
  """Returns the parsing specification of this project's records and, beside it, of Model Garden's."""
  var = lambda dtype: tf.io.RaggedFeature(dtype)
  return {
      'image/encoded': tf.io.FixedLenFeature([], tf.string),
      'image/height': tf.io.FixedLenFeature([], tf.int64),
      'image/width': tf.io.FixedLenFeature([], tf.int64),
      'image/source_id': tf.io.FixedLenFeature([], tf.string, ''),
      'image/filename': tf.io.FixedLenFeature([], tf.string, ''),
      'image/id_maps': var(tf.string),
      'image/void': tf.io.FixedLenFeature([], tf.string, ''),
      'segments/class': var(tf.int64),
      'segments/is_crowd': var(tf.int64),
      'segments/layer': var(tf.int64),
      'segments/area': var(tf.int64),
      'segments/id': var(tf.int64),
      'polygons/segment': var(tf.int64),
      'polygons/corners': var(tf.int64),
      'polygons/coordinates': tf.io.FixedLenFeature([], tf.string, ''),
      # Model Garden's COCO converter.
      'image/panoptic/category_mask': tf.io.FixedLenFeature([], tf.string, ''),
      'image/panoptic/instance_mask': tf.io.FixedLenFeature([], tf.string, ''),
  }
