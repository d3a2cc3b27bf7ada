"""From an image's segments to the padded slots of a batch."""

import tensorflow as tf

from tf_maskformer.configs.data import Parser


def merge_classes(id_maps: tf.Tensor, classes: tf.Tensor, area: tf.Tensor) -> dict[str, tf.Tensor]:
  """Makes all segments of a class one, crowds too, whatever task the records were made for.

  Args:
    id_maps: whole numbers [height, width, layers], value k: the k-th segment; where segments overlap the last counts.
    classes: int32 [n].
    area: int32 [n].

  Returns:
    id_maps [height, width, 1] and class, is_crowd, plane and area [m], classes in rising order.
  """
  found = tf.sort(tf.unique(classes)[0])
  index = tf.searchsorted(found, classes)
  table = tf.cast(tf.concat([[0], index + 1], 0), id_maps.dtype)
  flat = tf.reduce_max(tf.cast(id_maps, tf.int32), axis=2, keepdims=True)
  return {
      'id_maps': tf.gather(table, flat), 'class': found, 'is_crowd': tf.zeros_like(found, tf.bool),
      'plane': tf.zeros_like(found), 'area': tf.math.unsorted_segment_sum(area, index, tf.size(found))}


def build(id_maps: tf.Tensor, classes: tf.Tensor, is_crowd: tf.Tensor, layer: tf.Tensor, area: tf.Tensor,
          config: Parser, outlined: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
  """Fills slots with the segments that are targets and renumbers the id maps.

  Crowds are no targets: their pixels become background, as the official mappers do. A segment that a crop removed
  stays with an empty mask (official) unless `drop_vanished_segments`. Of more segments than slots those that the crop
  removed, then the smallest, are left out and counted, and so are all segments in layers beyond `max_layers`.

  Args:
    id_maps: whole numbers [height, width, layers], value k: the k-th segment.
    classes: int32 [n].
    is_crowd: bool [n].
    layer: int32 [n].
    area: int32 [n].
    config: the parser's.
    outlined: bool [n], segments that have not vanished although they may have no pixel; None: those with pixels.

  Returns:
    id_maps [max_layers, height, width], value slot + 1 (uint8 where that suffices, else uint16); classes, plane int32
    and valid bool [max_segments]; dropped_segments int32, those that found no slot or id map.
  """
  slots = config.max_segments
  keep = ~is_crowd
  flat = tf.cast(tf.reshape(id_maps, [-1]), tf.int32)
  present = tf.math.bincount(flat, minlength=tf.size(classes) + 1, maxlength=tf.size(classes) + 1)[1:] > 0
  if config.drop_vanished_segments:
    keep &= present if outlined is None else present | outlined
  wanted = tf.reduce_sum(tf.cast(keep, tf.int32))
  keep &= layer < config.max_layers
  # Rank among the kept: what is there first, largest first; equal ones in their order.
  size = tf.where(present, area, area - tf.reduce_max(area) - 1)
  order = tf.argsort(tf.where(keep, -size, tf.int32.max), stable=True)
  rank = tf.math.invert_permutation(order)
  keep &= rank < slots
  new_id = tf.where(keep, tf.cumsum(tf.cast(keep, tf.int32)), 0)
  table = tf.concat([[0], new_id], 0)
  dtype = tf.uint8 if slots <= 255 else tf.uint16
  renumbered = tf.gather(tf.cast(table, dtype), tf.cast(id_maps, tf.int32))
  count = tf.reduce_sum(tf.cast(keep, tf.int32))
  def padded(values):
    values = tf.boolean_mask(values, keep)
    return tf.ensure_shape(tf.pad(values, [[0, slots - count]]), [slots])
  layers = tf.transpose(renumbered, [2, 0, 1])[:config.max_layers]
  layers = tf.pad(layers, [[0, config.max_layers - tf.shape(layers)[0]], [0, 0], [0, 0]])
  return {
      'id_maps': tf.ensure_shape(layers, [config.max_layers, None, None]),
      'classes': padded(classes),
      'plane': padded(layer),
      'valid': tf.range(slots) < count,
      'dropped_segments': wanted - count,
  }
