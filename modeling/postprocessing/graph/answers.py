"""All answers of an image that are asked for, from one interpolation of its masks."""

import numpy as np
import tensorflow as tf

from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.modeling.postprocessing.graph import bands
from tf_maskformer.modeling.postprocessing.graph import parts
from tf_maskformer.modeling.postprocessing.graph import resize
from tf_maskformer.modeling.postprocessing.graph import semantic
from tf_maskformer.modeling.postprocessing.graph.likely import LikelyClasses
from tf_maskformer.modeling.postprocessing.graph.parts import Part
from tf_maskformer.modeling.postprocessing.graph.parts import Tensors
from tf_maskformer.modeling.postprocessing.graph.resize import Axes
from tf_maskformer.modeling.postprocessing.graph.resize import Taps
from tf_maskformer.modeling.postprocessing.graph.sizes import Sizes

_MAP = tf.TensorSpec([None, None], tf.int32)


def answers(evaluation: Evaluation, is_thing: np.ndarray, class_logits: tf.Tensor | None,
            mask_logits: tf.Tensor, sizes: Sizes) -> Tensors:
  """Returns the answers of one image: segments, classes of pixels, instances.

  They are computed a band of rows at a time. Where several are asked for, masks are interpolated
  once, and before anything else.

  Args:
    evaluation: which answers (`panoptic`, `semantic`, `instance`), and thresholds.
    is_thing: bool [classes].
    class_logits: float32 [queries, classes + 1]; None for a per-pixel model.
    mask_logits: float32 [queries, h, w]; of a per-pixel model [classes, h, w].
    sizes: of the image.

  Returns:
    Panoptic: 'id_map', 'classes', 'scores', 'count', see `panoptic.Panoptic`. Semantic: 'labels',
    int32 [height, width]. Instance: 'instance_queries', 'instance_classes', 'instance_scores',
    'instance_rows', see `instance.Instances`, and 'instance_masks', uint8 [width, distinct,
    height]: columns first, as run lengths are counted.
  """
  if class_logits is None:
    return {'labels': _of_pixels(mask_logits, sizes)}
  if not (evaluation.panoptic or evaluation.instance):
    return {'labels': _of_scores(class_logits, mask_logits, sizes)}
  chosen = parts.build(evaluation, is_thing, class_logits)
  axes = resize.axes(tf.shape(mask_logits)[1:], sizes)
  if not evaluation.instance:
    return _of_masks(chosen, mask_logits, axes)
  turned = tf.transpose(mask_logits, [0, 2, 1])
  found = _of_masks(chosen, turned, Axes(axes.across, axes.down))
  for name in {'id_map', 'labels'} & set(found):
    found[name] = tf.transpose(found[name])
  return found


def _of_masks(chosen: list[Part], mask_logits: tf.Tensor, axes: Axes) -> Tensors:
  """Returns the answers `chosen` of masks [queries, h, w] that are resized by `axes`."""
  is_alone = len(chosen) == 1
  if is_alone and chosen[0].queries is not None:
    mask_logits = tf.gather(mask_logits, chosen[0].queries)
  wide = bands.widen(resize.rows_first(mask_logits), axes.across)
  low = bands.LowRows(wide, axes.down)
  def of_band(top, bottom):
    logits = low.band(top, bottom)
    probabilities = tf.sigmoid(logits)
    maps: list[tf.Tensor] = []
    sums: list[tf.Tensor] = []
    for part in chosen:
      needs_all = is_alone or part.queries is None
      pair = (logits, probabilities)
      own = pair if needs_all else [tf.gather(one, part.queries, axis=1) for one in pair]
      part_maps, part_sums = part.of_band(*own)
      maps.extend(part_maps)
      sums.extend(part_sums)
    return maps, sums
  shape = tf.shape(wide)
  maps, sums = bands.compute(
      tf.shape(axes.down)[0], bands.rows_of(shape[1] * shape[2]), of_band,
      [spec for part in chosen for spec in part.maps],
      [zeros for part in chosen for zeros in part.sums])
  found: Tensors = {}
  for part in chosen:
    own_maps = [maps.pop(0) for _ in part.maps]
    own_sums = [sums.pop(0) for _ in part.sums]
    found.update(part.finish(own_maps, own_sums))
  return found


def _of_pixels(logits: tf.Tensor, sizes: Sizes) -> tf.Tensor:
  """Returns the labels of a per-pixel model's logits [classes, h, w]."""
  low_size = tf.shape(logits)[1:]
  axes = resize.axes(low_size, semantic.enlarged(low_size, sizes))
  wide = bands.widen(resize.rows_first(logits), axes.across)
  low = bands.LowRows(wide, axes.down)
  def of_band(top, bottom):
    return [tf.argmax(low.band(top, bottom), axis=1, output_type=tf.int32)], []
  shape = tf.shape(wide)
  rows = bands.rows_of(shape[1] * shape[2])
  (labels,), _ = bands.compute(sizes.original[0], rows, of_band, [_MAP], [])
  return labels


def _of_scores(class_logits: tf.Tensor, mask_logits: tf.Tensor, sizes: Sizes) -> tf.Tensor:
  """Returns the labels of scores that are combined at padded size and then resized."""
  classes = semantic.class_probabilities(class_logits)
  padded = resize.axes(tf.shape(mask_logits)[1:], Sizes(*3 * [sizes.padded]))
  across = padded.across[:sizes.image[1]]
  wide = bands.widen(resize.rows_first(mask_logits), across)
  low = bands.LowRows(tf.transpose(wide, [0, 2, 1]), padded.down)
  rows = resize.taps(sizes.image[0], sizes.original[0])
  columns = resize.taps(sizes.image[1], sizes.original[1])
  is_smaller = tf.reduce_prod(sizes.original) < tf.reduce_prod(sizes.image)
  keeps_size = tf.reduce_all(sizes.image == sizes.original)
  likely = LikelyClasses(classes)
  def of_band(top, bottom):
    first = rows.below[top]
    masks = tf.sigmoid(low.band(first, rows.above[bottom - 1] + 1))
    own = Taps(rows.below[top:bottom] - first, rows.above[top:bottom] - first,
               rows.share[top:bottom])
    def scores(classes):
      def combined_first():
        return semantic.interpolate(semantic.of_pixels(classes, masks), own, columns)
      def resized_first():  # the same sums in another order, of fewer pixels
        return semantic.of_pixels(classes, semantic.interpolate(masks, own, columns))
      def not_resized():
        return semantic.of_pixels(classes, masks[:bottom - top])
      return tf.cond(
          keeps_size, not_resized, lambda: tf.cond(is_smaller, resized_first, combined_first))
    return [likely.labels(
        scores, lambda places: semantic.interpolate_at(masks, own, columns, places))], []
  width = tf.maximum(sizes.image[1], sizes.original[1])
  elements = width * tf.maximum(tf.shape(classes)[0], tf.shape(classes)[1])
  # Where an image was enlarged, a band of the result is made of more rows.
  smaller = tf.maximum(sizes.image[0] // tf.maximum(sizes.original[0], 1), 1)
  band_rows = bands.rows_of(elements * smaller)
  (labels,), _ = bands.compute(sizes.original[0], band_rows, of_band, [_MAP], [])
  return labels
