"""A model in two steps: the network, whose logits are kept, and answers at any thresholds."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_maskformer.modeling.postprocessing import predictions
from tf_maskformer.modeling.postprocessing.graph.sizes import Sizes
from tf_maskformer.modeling.postprocessing.semantic import as_segments
from tf_maskformer.serving.export import road
from tf_maskformer.serving.export.plan import Plan
from tf_maskformer.serving.http.formats import Answer
from tf_maskformer.serving.http.kept import Kept
from tf_maskformer.serving.http.kept import Store
from tf_maskformer.serving.http.thresholds import Thresholds
from tf_maskformer.serving.loading import Loaded
from tf_maskformer.serving.result import Result

_INSTANCES_ABOVE = 0.5  # score of the instances that are shown
_NAME = 'image'


class Network:
  """Predicts images and keeps their logits.

  Attributes:
    task: 'panoptic', 'instance' or 'semantic'.
    thresholds: of the experiment.
  """

  def __init__(self, loaded: Loaded, store: Store):
    """Makes the network.

    Args:
      loaded: the model.
      store: keeps logits.
    """
    self.task = road.kind_of(loaded.experiment.task)
    self._data_set = loaded.data_set
    self._store = store
    self._road = road.Road(loaded, Plan('saved_model', self.task))
    recorded = self._road.thresholds
    self.thresholds = Thresholds(float(recorded.object_mask), float(recorded.overlap))
    if self.task == 'instance':
      self.thresholds = Thresholds(_INSTANCES_ABOVE)
    self._logits = tf.function(
        self._compute, autograph=False,
        input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)])
    self._answer = tf.function(
        self._road.answer, autograph=False,
        input_signature=[
            _logits_spec(self._road.has_class_logits), Sizes(*[tf.TensorSpec([2], tf.int32)] * 3),
            road.Thresholds(*[tf.TensorSpec([], tf.float32)] * 2)])

  @property
  def acting(self) -> dict[str, float]:
    """The thresholds that have an effect, by name, as the experiment has them."""
    values = dataclasses.asdict(self.thresholds)
    names = {'panoptic': ('score', 'overlap'), 'instance': ('score',), 'semantic': ()}[self.task]
    return {name: values[name] for name in names}

  def predict(self, images: Sequence[np.ndarray]) -> Iterator[Answer]:
    """Yields the answers of images, uint8 [height, width, 3], at the experiment's thresholds."""
    for image in images:
      logits, sizes = self._logits(tf.constant(image))
      kept = Kept(
          image, {name: value.numpy() for name, value in logits.items()},
          tuple(size.numpy() for size in sizes))
      yield Answer(self.result(kept, self.thresholds), self._store.put(kept))

  def again(self, token: str, thresholds: Thresholds) -> Answer | None:
    """Returns the answer of an image at other thresholds; None where it is no longer kept."""
    kept = self._store.get(token)
    return None if kept is None else Answer(self.result(kept, thresholds), token)

  def result(self, kept: Kept, thresholds: Thresholds) -> Result:
    """Returns what kept logits mean at these thresholds."""
    limits = road.Thresholds(
        tf.constant(thresholds.score, tf.float32), tf.constant(thresholds.overlap, tf.float32))
    outputs = self._answer(
        {name: tf.constant(value) for name, value in kept.logits.items()},
        Sizes(*(tf.constant(size) for size in kept.sizes)), limits)
    arrays = {name: value.numpy() for name, value in outputs.items()}
    found: list[dict] = []
    if self.task == 'panoptic':
      id_map = arrays['id_map']
      segments = self._panoptic_segments(arrays)
    elif self.task == 'instance':
      found = _instances(arrays)
      id_map, segments = predictions.drawable(found, kept.image.shape[:2], thresholds.score)
    else:
      id_map, segments = as_segments(arrays['labels'])
    return Result(_NAME, kept.image, id_map, segments, self._data_set, self.task, found)

  def _compute(self, image: tf.Tensor) -> tuple[dict[str, tf.Tensor], Sizes]:
    padded, sizes = self._road.prepare(image)
    return self._road.logits(padded), sizes

  def _panoptic_segments(self, arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Returns the segments of a panoptic answer, as `modeling.postprocessing.panoptic` does."""
    classes = self._data_set.classes
    count = int(arrays['count'])
    return [
        {'id': number + 1, 'category_id': int(category), 'isthing': classes[category].isthing,
         'score': float(score)}
        for number, (category, score) in enumerate(
            zip(arrays['classes'][:count], arrays['scores'][:count]))]


def _logits_spec(has_class_logits: bool) -> dict[str, tf.TensorSpec]:
  """Returns what logits are, of any number and size."""
  spec = {'mask_logits': tf.TensorSpec([None, None, None], tf.float32)}
  if has_class_logits:
    spec['class_logits'] = tf.TensorSpec([None, None], tf.float32)
  return spec


def _instances(arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
  """Returns the instances of an answer, as `modeling.postprocessing.instance` does."""
  return [
      {'category_id': int(category), 'score': float(score), 'mask': mask.astype(bool)}
      for category, score, mask in zip(arrays['classes'], arrays['scores'], arrays['masks'])]
