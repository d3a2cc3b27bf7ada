"""From a serialized record to an image, its id maps and its segments."""

import tensorflow as tf

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import polygons
from tf_maskformer.dataloaders import schema

# Raw category ids of Model Garden's records are bytes.
_RAW_IDS = 256
# First bytes of a JPEG and of a PNG.
_MAGIC = (b'\xff\xd8\xff', b'\x89PNG')


def _class_of_raw_id(data_set: str) -> tf.Tensor:
  """Table [256] from a raw category id to the contiguous class, -1 where there is none."""
  known = catalog.get(data_set).contiguous_ids
  return tf.constant([known.get(i, -1) for i in range(_RAW_IDS)], tf.int32)


def _id_maps(parsed):
  return tf.map_fn(
      lambda png: tf.io.decode_png(png, channels=1, dtype=tf.uint16)[:, :, 0], parsed['image/id_maps'],
      fn_output_signature=tf.TensorSpec([None, None], tf.uint16))


def _polygons(parsed):
  """The outlines of a record's segments, as `schema.Segment` has them, one behind the other."""
  coordinates = tf.io.decode_raw(parsed['polygons/coordinates'], tf.float64)
  return {
      'coordinates': tf.reshape(coordinates, [-1, 2]),
      'corners': tf.cast(parsed['polygons/corners'], tf.int32),
      'segment': tf.cast(parsed['polygons/segment'], tf.int32),
  }


def _needed_id_maps(parsed):
  """Those of `_id_maps` where a target has no polygon, else one that is empty: decoding them is slow."""
  needed = polygons.needs_id_maps(
      tf.cast(parsed['segments/is_crowd'], tf.bool), tf.cast(parsed['polygons/segment'], tf.int32))
  size = tf.stack([1, parsed['image/height'], parsed['image/width']])
  return tf.cond(needed, lambda: _id_maps(parsed), lambda: tf.zeros(size, tf.uint16))


def _own_segments(parsed, id_maps_of):
  ints = {name: tf.cast(parsed[f'segments/{name}'], tf.int32) for name in ('class', 'is_crowd', 'layer', 'area')}
  return (tf.transpose(id_maps_of(parsed), [1, 2, 0]), ints['class'], tf.cast(ints['is_crowd'], tf.bool), ints['layer'],
          ints['area'])


def _model_garden_segments(parsed, class_of_raw_id):
  """One segment for each pair of category and instance in the two PNGs; these records know no crowds."""
  category = tf.cast(tf.io.decode_png(parsed['image/panoptic/category_mask'], channels=1), tf.int32)
  instance = tf.cast(tf.io.decode_png(parsed['image/panoptic/instance_mask'], channels=1), tf.int32)
  pairs = tf.where(category > 0, category * 256 + instance, 0)
  values = tf.sort(tf.unique(tf.reshape(pairs, [-1]))[0])
  values = tf.boolean_mask(values, values > 0)
  order = tf.searchsorted(values, tf.reshape(pairs, [-1])) + 1
  id_map = tf.where(pairs > 0, tf.reshape(order, tf.shape(pairs)), 0)
  area = tf.math.bincount(tf.reshape(id_map, [-1]), minlength=tf.shape(values)[0] + 1)[1:]
  nothing = tf.zeros_like(values)
  return (tf.cast(id_map, tf.uint16), tf.gather(class_of_raw_id, values // 256), tf.cast(nothing, tf.bool), nothing,
          area)


def example_id(source_id: tf.Tensor) -> tf.Tensor:
  """Returns a fingerprint of source ids, int64, for where no string can go."""
  return tf.cast(tf.strings.to_hash_bucket_fast(source_id, 2**62), tf.int64)


def decode_segments(parsed: dict[str, tf.Tensor], data_set: str, polygons_replace_maps: bool = False
                    ) -> dict[str, tf.Tensor]:
  """Returns a parsed record's segments.

  Args:
    parsed: what `parse` returned.
    data_set: row of configs/datasets/catalog.py, for records that hold raw category ids.
    polygons_replace_maps: whether id maps that `polygons.redraw` does not look at are left undecoded; one empty
      map stands in their place.

  Returns:
    id_maps uint16 [height, width, layers] (value k: the k-th segment, 0: void); class, plane, area int32 [n] and
    is_crowd bool [n].
  """
  is_own = tf.size(parsed['image/id_maps']) > 0
  table = _class_of_raw_id(data_set)
  id_maps_of = _needed_id_maps if polygons_replace_maps else _id_maps
  id_maps, classes, is_crowd, layer, area = tf.cond(
      is_own, lambda: _own_segments(parsed, id_maps_of), lambda: _model_garden_segments(parsed, table))
  id_maps.set_shape([None, None, None])
  return {'id_maps': id_maps, 'class': classes, 'is_crowd': is_crowd, 'plane': layer, 'area': area}


def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
  """Returns the features of a serialized record, nothing decoded."""
  return tf.io.parse_single_example(record, schema.features())


def decode_image(encoded: tf.Tensor) -> tf.Tensor:
  """Decodes a JPEG or PNG to the bytes that Pillow gives, which the official mappers read with.

  Pillow takes libjpeg's accurate integer DCT; TensorFlow's default, the fast one, is off by 1 to 2 gray levels on
  average and by up to 20.

  Args:
    encoded: string scalar, the file.

  Returns:
    uint8 [height, width, 3], RGB.

  Raises:
    tf.errors.InvalidArgumentError: it is neither, or damaged.
  """
  is_known = [tf.equal(tf.strings.substr(encoded, 0, len(magic)), magic) for magic in _MAGIC]
  check = tf.debugging.Assert(tf.reduce_any(is_known), ['the image is neither JPEG nor PNG'])
  with tf.control_dependencies([check]):
    image = tf.io.decode_jpeg(encoded, channels=3, dct_method='INTEGER_ACCURATE')  # reads PNG too
  return tf.ensure_shape(image, [None, None, 3])


def decode(record: tf.Tensor, data_set: str, polygons_replace_maps: bool = False) -> dict[str, tf.Tensor]:
  """Decodes a record; arguments as of `decode_segments`.

  Returns:
    image uint8 [height, width, 3], source_id, and polygons: a dict of coordinates float64 [corners of all polygons, 2]
    (x and y in pixels), corners int32 [polygons] (how many each has) and segment int32 [polygons] (whose it is),
    beside what `decode_segments` returns.
  """
  parsed = parse(record)
  return {'image': decode_image(parsed['image/encoded']), 'source_id': parsed['image/source_id'],
          'polygons': _polygons(parsed), **decode_segments(parsed, data_set, polygons_replace_maps)}
