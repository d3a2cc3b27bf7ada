"""From a serialized record to an image, its id maps and its segments."""

import functools
import re
from collections.abc import Callable

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import example_wire
from tf_maskformer.dataloaders import polygons
from tf_maskformer.dataloaders import record_checks
from tf_maskformer.dataloaders import schema

Features = dict[str, tf.Tensor]

_BYTE_VALUES = 256  # raw category and instance ids of Model Garden's records are bytes
_NUM_EXAMPLE_IDS = 2**62  # fits into int64
# First bytes of a JPEG and of a PNG.
_JPEG = b'\xff\xd8\xff'
_PNG = b'\x89PNG'
# What a record that cannot be used raises. TensorFlow's message quotes what it could not parse;
# where that is not UTF-8, making the error of it fails.
ERRORS = (tf.errors.OpError, UnicodeDecodeError)
# Of the parser and of `example_wire`.
_NO_EXAMPLE = re.compile('Could not parse example input|CountFields|DecodeProto')
# Where in an input pipeline it happened, before what happened.
_IN_PIPELINE = re.compile(r'Error in user-defined function passed to \S+ transformation with '
                          r'iterator: \S+ ')
# On a worker of an input service, before what happened.
_FROM_SERVICE = re.compile(r'Failed to get element from worker \S+: (Failed to get an element, '
                           r'with a nonretryable error: )?(Failed to get element: )?')


def explain(error: Exception) -> str:
  """Returns in a few words why a record cannot be used, of one of `ERRORS`."""
  if isinstance(error, UnicodeDecodeError):
    text = error.object.decode('utf-8', 'replace')
  else:
    text = getattr(error, 'message', str(error))
  if _NO_EXAMPLE.search(text):
    return 'it is not a tf.train.Example'
  return errors.explain(_IN_PIPELINE.sub('', _FROM_SERVICE.sub('', text)))


def parse_features(record: tf.Tensor, data_set: str) -> Features:
  """Returns the features of a serialized record, nothing decoded, once they fit each other.

  Args:
    record: string scalar.
    data_set: see `catalog.get`.

  Raises:
    tf.errors.InvalidArgumentError: it is not an Example, or `record_checks.checked` refuses it;
      see `ERRORS`.
  """
  features = tf.io.parse_single_example(example_wire.checked(record), schema.features())
  # The id of a record that has none is its file name.
  has_id = tf.strings.length(features['image/source_id']) > 0
  features['image/source_id'] = tf.where(
      has_id, features['image/source_id'], features['image/filename'])
  return record_checks.checked(features, catalog.get(data_set).num_classes)


def decode(record: tf.Tensor, data_set: str, polygons_replace_maps: bool = False) -> dict:
  """Decodes a record.

  Args:
    record: string scalar, a serialized tf.train.Example.
    data_set: see `decode_segments`, as `polygons_replace_maps`.

  Returns:
    image uint8 [height, width, 3], source_id (string), void (string: a PNG, or ''), and polygons, a
    dict of coordinates float64 [corners of all polygons, 2] (x and y in pixels), corners int32
    [polygons] (how many each has) and segment int32 [polygons] (which it belongs to), along with
    what `decode_segments` returns.

  Raises:
    tf.errors.InvalidArgumentError: the record cannot be used; see `ERRORS`.
  """
  features = parse_features(record, data_set)
  size = tf.stack([features['image/height'], features['image/width']])
  return {
      'image': decode_image(features['image/encoded'], size),
      'source_id': features['image/source_id'],
      'void': features['image/void'],
      'polygons': _polygons(features),
      **decode_segments(features, data_set, polygons_replace_maps),
  }


@functools.cache
def function(data_set: str) -> Callable[[bytes], dict]:
  """Returns `decode` of a data set as one graph, for use outside an input pipeline."""
  @tf.function(autograph=False, input_signature=[tf.TensorSpec([], tf.string)])
  def decode_record(record):
    return decode(record, data_set)
  return decode_record


def decode_image(encoded: tf.Tensor, size: tf.Tensor | None = None) -> tf.Tensor:
  """Decodes a JPEG or PNG to the bytes that Pillow gives, which the official mappers read with.

  Pillow takes libjpeg's accurate integer DCT; TensorFlow's default, the fast one, is off by 1 to 2
  gray levels on average and by up to 20. The size is known from the header before anything is
  decoded.

  Args:
    encoded: string scalar, the file.
    size: int64 [2], the height and width that it must have; None: any.

  Returns:
    uint8 [height, width, 3], RGB.

  Raises:
    tf.errors.InvalidArgumentError: it is neither, damaged, of more than `schema.MAX_PIXELS` pixels
      or of another size.
  """
  is_jpeg = tf.equal(tf.strings.substr(encoded, 0, len(_JPEG)), _JPEG)
  is_png = tf.equal(tf.strings.substr(encoded, 0, len(_PNG)), _PNG)
  is_known = tf.debugging.Assert(is_jpeg | is_png, ['the image is neither JPEG nor PNG'])
  with tf.control_dependencies([is_known]):
    own_size = tf.cond(
        is_jpeg,
        lambda: tf.cast(tf.image.extract_jpeg_shape(encoded)[:2], tf.int64),
        lambda: record_checks.png_header(encoded[None])[0][0])
  checks = [tf.debugging.Assert(
      ~record_checks.is_too_large(own_size),
      [f'the image is empty or has more than {schema.MAX_PIXELS} pixels'])]
  if size is not None:
    checks.append(tf.debugging.Assert(
        tf.reduce_all(own_size == size),
        ['the image has another size than image/height and image/width say']))
  with tf.control_dependencies(checks):
    # This reads PNG too.
    image = tf.io.decode_jpeg(encoded, channels=3, dct_method='INTEGER_ACCURATE')
  return tf.ensure_shape(image, [None, None, 3])


def decode_segments(features: Features, data_set: str, polygons_replace_maps: bool = False
                    ) -> dict[str, tf.Tensor]:
  """Returns a record's segments.

  Args:
    features: what `parse_features` returned.
    data_set: see `catalog.get`.
    polygons_replace_maps: whether id maps that `polygons.redraw` does not read are left undecoded;
      one empty map replaces them.

  Returns:
    id_maps uint16 [height, width, planes] (value k: the k-th segment, 0: void); class, plane (the
    id map that holds it), area (pixels) int32 [n] and is_crowd bool [n].

  Raises:
    tf.errors.InvalidArgumentError: a map is damaged, or does not fit the segments.
  """
  is_own = tf.size(features['image/id_maps']) > 0
  decode_id_maps = _needed_id_maps if polygons_replace_maps else _id_maps
  class_of_raw_id = _class_of_raw_id(data_set)
  segments = tf.cond(
      is_own,
      lambda: _own_segments(features, decode_id_maps),
      lambda: _model_garden_segments(features, class_of_raw_id))
  num_classes = catalog.get(data_set).num_classes
  classes = segments['class']
  # Raw ids without a class are known only now.
  faults = [
      record_checks.of_id_maps(segments['id_maps'], tf.size(classes)),
      (tf.reduce_any(classes < 0), record_checks.wrong_class(num_classes))]
  with tf.control_dependencies(record_checks.require(faults, features['image/source_id'])):
    segments['id_maps'] = tf.identity(segments['id_maps'])
    segments['class'] = tf.identity(classes)
  segments['id_maps'].set_shape([None, None, None])
  return segments


def _own_segments(features: Features, decode_id_maps: Callable[[Features], tf.Tensor]
                  ) -> dict[str, tf.Tensor]:
  """Returns the segments of this project's records."""
  return {
      'id_maps': tf.transpose(decode_id_maps(features), [1, 2, 0]),
      'class': tf.cast(features['segments/class'], tf.int32),
      'is_crowd': tf.cast(features['segments/is_crowd'], tf.bool),
      'plane': tf.cast(features['segments/layer'], tf.int32),
      'area': tf.cast(features['segments/area'], tf.int32),
  }


def _model_garden_segments(features: Features, class_of_raw_id: tf.Tensor
                           ) -> dict[str, tf.Tensor]:
  """Returns one segment for each pair of category and instance in the two PNGs of Model Garden.

  These records know no crowds.
  """
  category = _byte_map(features['image/panoptic/category_mask'])
  instance = _byte_map(features['image/panoptic/instance_mask'])
  pairs = tf.where(category > 0, category * _BYTE_VALUES + instance, 0)
  values = tf.sort(tf.unique(tf.reshape(pairs, [-1]))[0])
  values = tf.boolean_mask(values, values > 0)
  order = tf.searchsorted(values, tf.reshape(pairs, [-1])) + 1
  id_map = tf.where(pairs > 0, tf.reshape(order, tf.shape(pairs)), 0)
  pixels = tf.math.bincount(tf.reshape(id_map, [-1]), minlength=tf.shape(values)[0] + 1)
  return {
      'id_maps': tf.cast(id_map, tf.uint16),
      'class': tf.gather(class_of_raw_id, values // _BYTE_VALUES),
      'is_crowd': tf.zeros_like(values, tf.bool),
      'plane': tf.zeros_like(values),
      'area': pixels[1:],
  }


def _class_of_raw_id(data_set: str) -> tf.Tensor:
  """Returns a table [256] from a raw category id to the contiguous class, -1 without one."""
  known = catalog.get(data_set).contiguous_ids
  return tf.constant([known.get(i, -1) for i in range(_BYTE_VALUES)], tf.int32)


def _byte_map(png: tf.Tensor) -> tf.Tensor:
  """Returns int32 [height, width, 1], 0 .. 255."""
  return tf.cast(tf.io.decode_png(png, channels=1), tf.int32)


def decode_id_map(png: tf.Tensor) -> tf.Tensor:
  """Returns a gray PNG of 16 bits, a string, as uint16 [height, width]."""
  return tf.io.decode_png(png, channels=1, dtype=tf.uint16)[:, :, 0]


def _id_maps(features: Features) -> tf.Tensor:
  """Returns uint16 [planes, height, width]."""
  return tf.map_fn(
      decode_id_map, features['image/id_maps'],
      fn_output_signature=tf.TensorSpec([None, None], tf.uint16))


def _needed_id_maps(features: Features) -> tf.Tensor:
  """Returns `_id_maps` where a target has no polygon, else an empty one: decoding them is slow."""
  is_needed = polygons.needs_id_maps(
      tf.cast(features['segments/is_crowd'], tf.bool),
      tf.cast(features['polygons/segment'], tf.int32))
  size = tf.stack([1, features['image/height'], features['image/width']])
  return tf.cond(is_needed, lambda: _id_maps(features), lambda: tf.zeros(size, tf.uint16))


def _polygons(features: Features) -> dict[str, tf.Tensor]:
  """Returns the outlines of a record's segments one after the other; see `decode`."""
  flat = tf.io.decode_raw(features['polygons/coordinates'], tf.float64)
  coordinates = tf.reshape(flat, [-1, 2])
  corners = tf.cast(features['polygons/corners'], tf.int32)
  faults = record_checks.of_outlines(coordinates, corners)
  with tf.control_dependencies(record_checks.require(faults, features['image/source_id'])):
    coordinates = tf.identity(coordinates)
  return {
      'coordinates': coordinates,
      'corners': corners,
      'segment': tf.cast(features['polygons/segment'], tf.int32),
  }


def example_id(source_id: tf.Tensor) -> tf.Tensor:
  """Returns fingerprints of source ids (strings), int64, for where strings cannot be."""
  return tf.cast(tf.strings.to_hash_bucket_fast(source_id, _NUM_EXAMPLE_IDS), tf.int64)
