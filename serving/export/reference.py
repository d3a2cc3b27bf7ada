"""What a checkpoint answers by itself: its model, and post-processing in NumPy.

Exports are compared with it, so it shares nothing with their graphs but the model's layers.
"""

import copy

import numpy as np
import tensorflow as tf

from tf_maskformer.dataloaders import augment
from tf_maskformer.modeling.postprocessing.sizes import Sizes
from tf_maskformer.ops import image as image_ops
from tf_maskformer.serving.export import answers
from tf_maskformer.serving.export.plan import Plan
from tf_maskformer.serving.loading import Loaded


class Reference:
  """Answers images one by one, under the names that exports have."""

  def __init__(self, loaded: Loaded, plan: Plan):
    """Makes it; arguments as `road.Road`."""
    task = loaded.experiment.task
    augmentation = task.validation_data.parser.augmentation
    resizes = bool(augmentation.short_edges) and plan.input_size is None
    self._short_edge = augmentation.short_edges[0] if resizes else 0
    self._long_edge_limit = augmentation.long_edge_limit
    self._divisor = task.model.size_divisibility
    self._evaluation = task.evaluation
    self._task = plan.task
    self._model = loaded.model
    self._data_set = loaded.data_set
    self._run = tf.function(
        self._logits, autograph=False,
        input_signature=[
            tf.TensorSpec([1, None, None, 3], tf.uint8), tf.TensorSpec([], tf.float32),
            tf.TensorSpec([], tf.int32)])

  def of_task(self, task: str) -> 'Reference':
    """Returns one of another task that shares the traced network."""
    other = copy.copy(self)
    other._task = task
    return other

  def _logits(self, images, noise, seed):
    size = tf.shape(images)[None, 1:3]
    padded = image_ops.normalize(images, size)
    padded *= 1 + noise * tf.random.stateless_normal(tf.shape(padded), [seed, 0])
    padded = image_ops.pad_to_multiple(padded, self._divisor)
    outputs = self._model(padded, last_layer_only=True)
    return {name: value[-1][0] for name, value in outputs.items()}, tf.shape(padded)[1:3]

  def run(self, image: np.ndarray, noise: float = 0.0, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns the answer of an image, its logits and sizes; see `road.Road.answer`.

    Args:
      image: uint8 [H, W, 3].
      noise: relative, Gaussian, on the network's input.
      seed: of the noise.
    """
    return self.answer(*self.network(image, noise, seed))

  def network(self, image: np.ndarray, noise: float, seed: int
              ) -> tuple[dict[str, np.ndarray], Sizes]:
    """Returns the logits of an image and its sizes; arguments as `run`."""
    resized = tf.constant(image)
    if self._short_edge:
      size = augment.shortest_edge_size(
          tf.constant(image.shape[:2]), tf.constant(self._short_edge), self._long_edge_limit)
      resized = augment.resize_image(resized, size)
    outputs, padded = self._run(resized[None], noise, seed)
    logits = {name: value.numpy() for name, value in outputs.items()}
    return logits, Sizes.of(padded.numpy(), resized.shape[:2], image.shape[:2])

  def answer(self, logits: dict[str, np.ndarray], sizes: Sizes) -> dict[str, np.ndarray]:
    """Returns the answer to logits, with them and the sizes."""
    found = answers.answer(
        logits, sizes, self._task, self._evaluation, self._data_set.thing_classes)
    return {
        **found, **logits, 'padded_size': np.array(sizes.padded, np.int32),
        'image_size': np.array(sizes.image, np.int32)}
