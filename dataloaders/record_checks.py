"""Checks of a record's features against each other, in the graph, before anything is decoded.

A record that contradicts itself is refused: indices out of range would end in a traceback or,
worse, in other classes and pixels than were stored. All conditions are computed, and one assertion
names the first that holds, so that a good record costs little.
"""

import tensorflow as tf

from tf_maskformer.dataloaders import schema

Features = dict[str, tf.Tensor]
Fault = tuple[tf.Tensor, str]  # whether it is there; what is said of the image

_LONGEST_ID = 100  # characters of a source id in messages
_HEADER_BYTES = 26  # of a PNG up to its color type
_PNG = b'\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR'  # how every PNG begins
_BYTE_WEIGHTS = (2**24, 2**16, 2**8, 1)
_GRAY = 0  # color type of a PNG
_CORNER_BYTES = 16  # two float64
_MIN_CORNERS = 3


def png_header(files: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Reads the headers of PNGs; what is not a PNG has the size 0, 0.

  Args:
    files: strings [n], encoded.

  Returns:
    size int64 [n, 2] (height and width), bits per channel int64 [n], is_gray bool [n].
  """
  header = tf.cast(tf.io.decode_raw(files, tf.uint8, fixed_length=_HEADER_BYTES), tf.int64)
  start = tf.constant(list(_PNG), tf.int64)
  is_png = tf.reduce_all(header[:, :len(_PNG)] == start, axis=1)
  weights = tf.constant(_BYTE_WEIGHTS, tf.int64)
  width = tf.reduce_sum(header[:, 16:20] * weights, axis=1)
  height = tf.reduce_sum(header[:, 20:24] * weights, axis=1)
  size = tf.where(is_png[:, None], tf.stack([height, width], axis=1), 0)
  return size, header[:, 24], header[:, 25] == _GRAY


def is_too_large(size: tf.Tensor) -> tf.Tensor:
  """Whether an image of a size, int64 [2], is empty or has more than `schema.MAX_PIXELS`."""
  is_beyond = tf.reduce_any((size < 1) | (size > schema.MAX_PIXELS))
  return is_beyond | (tf.reduce_prod(size) > schema.MAX_PIXELS)


def require(faults: list[Fault], source_id: tf.Tensor) -> list[tf.Operation]:
  """Returns what must run before a record is used further.

  Args:
    faults: none of them may be there.
    source_id: string scalar, for the message.

  Raises:
    tf.errors.InvalidArgumentError: one is, when the graph runs or at once.
  """
  is_there = tf.stack([there for there, _ in faults])
  texts = tf.constant([text for _, text in faults])
  first = tf.gather(texts, tf.argmax(tf.cast(is_there, tf.int32)))
  # A message that is not UTF-8 would be an error of its own.
  name = tf.strings.unicode_transcode(
      source_id, 'UTF-8', 'UTF-8', replace_control_characters=True)
  name = tf.strings.substr(name, 0, _LONGEST_ID, unit='UTF8_CHAR')
  message = tf.strings.join(['image ', name, ' ', first])
  check = tf.debugging.Assert(~tf.reduce_any(is_there), [message])
  return [] if check is None else [check]


def wrong_class(num_classes: int) -> str:
  """Returns what is said of an image with a class that is out of range."""
  return f'has a class outside 0 to {num_classes - 1}'


def checked(features: Features, num_classes: int) -> Features:
  """Returns the features of a record once they fit each other.

  Args:
    features: by `schema.features`, as parsed.
    num_classes: of the data set.

  Raises:
    tf.errors.InvalidArgumentError: they do not; says what is wrong and with which image.
  """
  faults = [*_of_sizes(features), *_of_segments(features, num_classes), *_of_polygons(features)]
  with tf.control_dependencies(require(faults, features['image/source_id'])):
    return {name: tf.identity(value) for name, value in features.items()}


def _of_sizes(features: Features) -> list[Fault]:
  """Returns the faults of the image's size and of the headers of its PNGs."""
  size = tf.stack([features['image/height'], features['image/width']])
  num_maps = tf.size(features['image/id_maps'], tf.int64)
  category = features['image/panoptic/category_mask']
  is_own = num_maps > 0
  num_pixels = tf.reduce_prod(tf.clip_by_value(size, 0, schema.MAX_PIXELS))
  byte_maps = tf.stack([category, features['image/panoptic/instance_mask']])
  void = tf.reshape(features['image/void'], [1])
  has_void = tf.strings.length(void[0]) > 0
  return [
      (is_too_large(size), f'has image/height and image/width out of range (1 to '
       f'{schema.MAX_PIXELS} pixels in all)'),
      (~is_own & (tf.strings.length(category) == 0),
       'has neither image/id_maps nor image/panoptic/category_mask'),
      (num_maps * num_pixels > schema.MAX_MAP_PIXELS,
       f'has more than {schema.MAX_MAP_PIXELS} pixels in its id maps'),
      (~_are_maps(features['image/id_maps'], size, 16),
       'has image/id_maps that are not gray PNGs of 16 bits and of its size'),
      (~is_own & ~_are_maps(byte_maps, size, 8),
       'has panoptic masks that are not gray PNGs of 8 bits and of its size'),
      (has_void & ~_are_maps(void, size, 16),
       'has an image/void that is not a gray PNG of 16 bits and of its size'),
  ]


def _are_maps(files: tf.Tensor, size: tf.Tensor, bits: int) -> tf.Tensor:
  """Whether all files [n] are gray PNGs of a size and a depth."""
  found, depth, is_gray = png_header(files)
  fits = tf.reduce_all(found == size[None], axis=1)
  return tf.reduce_all(fits & (depth == bits) & is_gray)


def _of_segments(features: Features, num_classes: int) -> list[Fault]:
  """Returns the faults of what the record says of each segment."""
  classes = features['segments/class']
  count = tf.size(classes)
  num_maps = tf.size(features['image/id_maps'])
  faults = [
      (count > schema.MAX_SEGMENTS, f'has more than {schema.MAX_SEGMENTS} segments'),
      (num_maps > tf.maximum(count, 1), 'has more id maps than segments')]
  for key in ('segments/is_crowd', 'segments/layer', 'segments/area', 'segments/id'):
    faults.append((tf.size(features[key]) != count, f'does not have one {key} per segment'))
  bounds = {
      'segments/is_crowd': 1,
      'segments/layer': tf.maximum(tf.cast(num_maps, tf.int64) - 1, 0),
      'segments/area': tf.int32.max,
  }
  faults.append((_is_outside(classes, num_classes - 1), wrong_class(num_classes)))
  for key, largest in bounds.items():
    faults.append((_is_outside(features[key], largest), f'has a {key} out of range'))
  return faults


def _is_outside(values: tf.Tensor, largest: int | tf.Tensor) -> tf.Tensor:
  """Whether any value is below 0 or above `largest`."""
  return tf.reduce_any((values < 0) | (values > tf.cast(largest, values.dtype)))


def _of_polygons(features: Features) -> list[Fault]:
  """Returns the faults of the outlines; coordinates are checked once they are decoded."""
  segment = features['polygons/segment']
  corners = features['polygons/corners']
  num_bytes = tf.strings.length(features['polygons/coordinates'])
  num_corners = tf.cast(num_bytes // _CORNER_BYTES, tf.int64)
  count = tf.size(features['segments/class'], tf.int64)
  is_each_too_large = _is_outside(corners - _MIN_CORNERS, num_corners)
  return [
      (tf.size(segment) != tf.size(corners), 'does not have one polygons/corners per polygon'),
      (tf.reduce_any((segment < 0) | (segment >= count)), 'has polygons that have no segment'),
      (is_each_too_large | (tf.reduce_sum(corners) != num_corners)
       | (num_bytes % _CORNER_BYTES != 0),
       'has polygons/coordinates that are not those of its polygons/corners'),
  ]


def of_id_maps(id_maps: tf.Tensor, count: tf.Tensor) -> Fault:
  """Returns the fault of ids, any shape, that are above the number of segments."""
  largest = tf.reduce_max(tf.cast(id_maps, tf.int32))
  return largest > tf.cast(count, tf.int32), 'has ids in its id maps that have no segment'


def of_outlines(coordinates: tf.Tensor, corners: tf.Tensor) -> list[Fault]:
  """Returns the faults of polygons' coordinates; what draws them in C computes with integers.

  Args:
    coordinates: float64 [corners of all polygons, 2].
    corners: int [polygons], how many of them each has; they add up.
  """
  is_near = tf.reduce_all(tf.abs(coordinates) <= schema.MAX_COORDINATE)  # NaN is not
  length = tf.reduce_max(tf.abs(coordinates[1:] - coordinates[:-1]), axis=1)
  # From a polygon's last corner to the next one's first is not an edge.
  gaps = tf.reduce_sum(tf.gather(length, tf.cumsum(corners)[:-1] - 1))
  return [
      (~is_near, f'has polygons with corners that are not within {schema.MAX_COORDINATE} pixels'),
      (is_near & (tf.reduce_sum(length) - gaps > schema.MAX_OUTLINE),
       f'has outlines longer than {schema.MAX_OUTLINE} pixels'),
  ]
