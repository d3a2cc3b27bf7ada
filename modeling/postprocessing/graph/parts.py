"""The answers that are made of masks at original size, as what a band of rows adds to each."""

import numpy as np
import tensorflow as tf

from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.modeling.postprocessing.graph import instance
from tf_maskformer.modeling.postprocessing.graph import panoptic
from tf_maskformer.modeling.postprocessing.graph import semantic
from tf_maskformer.modeling.postprocessing.graph.likely import LikelyClasses

Tensors = dict[str, tf.Tensor]


class Part:
  """One answer of one image.

  Attributes:
    queries: int32 [n], whose masks it needs; None: those of all.
    maps: what `of_band` returns of a band, [rows, ...] each.
    sums: zeros of what `of_band` returns to be added up.
  """
  queries: tf.Tensor | None
  maps: list[tf.TensorSpec]
  sums: list[tf.Tensor]

  def of_band(self, logits: tf.Tensor, probabilities: tf.Tensor
              ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Returns maps and sums of a band.

    Args:
      logits: float32 [rows, n, width], of the masks of `queries`.
      probabilities: their sigmoid.
    """
    raise NotImplementedError

  def finish(self, maps: list[tf.Tensor], sums: list[tf.Tensor]) -> Tensors:
    """Returns the answer by name, from the maps and sums of the complete image."""
    raise NotImplementedError


class PanopticPart(Part):
  """See `panoptic`."""

  def __init__(self, evaluation: Evaluation, is_thing: np.ndarray, class_logits: tf.Tensor):
    self._evaluation = evaluation
    self._is_thing = is_thing
    self._num_queries = tf.shape(class_logits)[0]
    self._chosen = panoptic.choose(class_logits, evaluation.object_mask_threshold)
    self.queries = self._chosen.queries
    self.maps = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, None], tf.bool)]
    self.sums = 3 * [tf.zeros_like(self.queries)]

  def of_band(self, logits, probabilities):
    """See `Part`."""
    del logits
    owned = panoptic.own(probabilities, self._chosen)
    return ([owned.owner, owned.is_confident],
            [owned.areas, owned.totals, owned.confident_areas])

  def finish(self, maps, sums):
    """See `Part`."""
    found = panoptic.finish(
        self._chosen, panoptic.Owned(*maps, *sums), self._num_queries, self._is_thing,
        self._evaluation.overlap_threshold, self._evaluation.confident_pixels_only)
    return found._asdict()


class SemanticPart(Part):
  """See `semantic`, of masks that are resized first."""

  def __init__(self, class_logits: tf.Tensor):
    self._likely = LikelyClasses(semantic.class_probabilities(class_logits))
    self.queries = None
    self.maps = [tf.TensorSpec([None, None], tf.int32)]
    self.sums = []

  def of_band(self, logits, probabilities):
    """See `Part`."""
    del logits
    return [self._likely.labels(
        lambda classes: semantic.combine(classes, probabilities),
        lambda places: semantic.masks_at(probabilities, places))], []

  def finish(self, maps, sums):
    """See `Part`."""
    return {'labels': maps[0]}


class InstancePart(Part):
  """See `instance`."""

  def __init__(self, evaluation: Evaluation, is_thing: np.ndarray, class_logits: tf.Tensor):
    only = is_thing if evaluation.panoptic else None
    self._pairs = instance.choose(class_logits, evaluation.instances_per_image, only)
    self.queries = self._pairs.distinct
    self.maps = [tf.TensorSpec([None, None, None], tf.uint8)]
    self.sums = 2 * [tf.zeros_like(self.queries, tf.float32)]

  def of_band(self, logits, probabilities):
    """See `Part`."""
    inside = instance.look_inside(logits, probabilities)
    return [tf.cast(inside.masks, tf.uint8)], [inside.areas, inside.sums]

  def finish(self, maps, sums):
    """See `Part`."""
    inside = instance.Inside(maps[0], *sums)
    return {
        'instance_queries': self._pairs.queries,
        'instance_classes': self._pairs.classes,
        'instance_scores': instance.score(self._pairs, inside),
        'instance_rows': self._pairs.rows,
        'instance_masks': maps[0],
    }


def build(evaluation: Evaluation, is_thing: np.ndarray, class_logits: tf.Tensor) -> list[Part]:
  """Returns the parts that are asked for; arguments as `answers.Answers`."""
  chosen: list[Part] = []
  if evaluation.panoptic:
    chosen.append(PanopticPart(evaluation, is_thing, class_logits))
  if evaluation.semantic:
    chosen.append(SemanticPart(class_logits))
  if evaluation.instance:
    chosen.append(InstancePart(evaluation, is_thing, class_logits))
  return chosen
