"""From an image's segments to the padded slots of a batch."""

import tensorflow as tf

from tf_maskformer.configs.data import ParserConfig


def merge_classes(id_maps: tf.Tensor, classes: tf.Tensor, area: tf.Tensor
                  ) -> dict[str, tf.Tensor]:
  """Makes all segments of a class one, crowds too, whatever task the records were made for.

  Args:
    id_maps: integers [height, width, planes], value k: the k-th segment, counted from 1; where
      segments overlap the last counts.
    classes: int32 [n].
    area: int32 [n], pixels.

  Returns:
    id_maps [height, width, 1] and class, is_crowd, plane and area [m], classes in rising order.
  """
  present = tf.sort(tf.unique(classes)[0])
  index = tf.searchsorted(present, classes)
  table = tf.cast(tf.concat([[0], index + 1], 0), id_maps.dtype)
  one_map = tf.reduce_max(tf.cast(id_maps, tf.int32), axis=2, keepdims=True)
  total_area = tf.math.unsorted_segment_sum(tf.cast(area, tf.int64), index, tf.size(present))
  return {
      'id_maps': tf.gather(table, one_map),
      'class': present,
      'is_crowd': tf.zeros_like(present, tf.bool),
      'plane': tf.zeros_like(present),
      'area': tf.cast(tf.minimum(total_area, tf.int32.max), tf.int32),
  }


def build(id_maps: tf.Tensor, classes: tf.Tensor, is_crowd: tf.Tensor, plane: tf.Tensor,
          area: tf.Tensor, config: ParserConfig, outlined: tf.Tensor | None = None
          ) -> dict[str, tf.Tensor]:
  """Fills slots with the segments that are targets and renumbers the id maps.

  Crowds are not targets: their pixels become background, as in the official mappers. A segment that
  a crop removed stays with an empty mask (official) unless `drop_vanished_segments`. Where there
  are more segments than slots, those that the crop removed, then the smallest, are left out and
  counted, and so are all segments in planes beyond `max_layers`.

  Args:
    id_maps: integers [height, width, planes], value k: the k-th segment, counted from 1.
    classes: int32 [n].
    is_crowd: bool [n].
    plane: int32 [n], the id map that holds each segment.
    area: int32 [n], pixels.
    config: the parser's.
    outlined: bool [n], segments that have not vanished although they may have no pixel; None: those
      with pixels.

  Returns:
    id_maps [max_layers, height, width], value slot + 1 (uint8 where that suffices, else uint16);
    classes, plane int32 and valid bool [max_segments]; dropped_segments int32, those that found no
    slot or id map.
  """
  slots = config.max_segments
  present = _present(id_maps, tf.size(classes))
  keep = ~is_crowd
  if config.drop_vanished_segments:
    keep &= present if outlined is None else present | outlined
  num_wanted = _count(keep)
  keep &= plane < config.max_layers
  keep &= _rank(keep, present, area) < slots
  num_kept = _count(keep)
  return {
      'id_maps': _renumber(id_maps, keep, config),
      'classes': _fill(classes, keep, slots),
      'plane': _fill(plane, keep, slots),
      'valid': tf.range(slots) < num_kept,
      'dropped_segments': num_wanted - num_kept,
  }


def _count(flags: tf.Tensor) -> tf.Tensor:
  return tf.reduce_sum(tf.cast(flags, tf.int32))


def _present(id_maps: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
  """Returns bool [n], segments with pixels; `count` is n."""
  flat = tf.cast(tf.reshape(id_maps, [-1]), tf.int32)
  pixels = tf.math.bincount(flat, minlength=count + 1, maxlength=count + 1)
  return pixels[1:] > 0


def _rank(keep: tf.Tensor, present: tf.Tensor, area: tf.Tensor) -> tf.Tensor:
  """Returns int32 [n], the rank among those to keep.

  What is present comes first, the largest first, equal ones in their order; then what vanished.
  """
  size = tf.where(present, area, area - tf.reduce_max(area) - 1)
  order = tf.argsort(tf.where(keep, -size, tf.int32.max), stable=True)
  return tf.math.invert_permutation(order)


def _renumber(id_maps: tf.Tensor, keep: tf.Tensor, config: ParserConfig) -> tf.Tensor:
  """Returns the id maps of the kept segments, [max_layers, height, width], value slot + 1."""
  new_id = tf.where(keep, tf.cumsum(tf.cast(keep, tf.int32)), 0)
  table = tf.concat([[0], new_id], 0)
  dtype = tf.uint8 if config.max_segments <= tf.uint8.max else tf.uint16
  renumbered = tf.gather(tf.cast(table, dtype), tf.cast(id_maps, tf.int32))
  planes = tf.transpose(renumbered, [2, 0, 1])[:config.max_layers]
  missing = config.max_layers - tf.shape(planes)[0]
  planes = tf.pad(planes, [[0, missing], [0, 0], [0, 0]])
  return tf.ensure_shape(planes, [config.max_layers, None, None])


def _fill(values: tf.Tensor, keep: tf.Tensor, slots: int) -> tf.Tensor:
  """Returns the kept of `values` [n] in the first of `slots` slots, 0 in the others."""
  kept = tf.boolean_mask(values, keep)
  return tf.ensure_shape(tf.pad(kept, [[0, slots - tf.size(kept)]]), [slots])
