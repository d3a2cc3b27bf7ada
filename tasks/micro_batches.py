"""A step in parts: a replica's images pass through the model a few at a time; gradients are added.

The losses are normalized over the complete step beforehand, so the sum is the gradient of the step.
With one image at a time no image is padded to another, as in the official training of COCO with one
image per GPU; with more, those of similar shape form a part.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def accumulate(gradients_of: Callable, inputs: tuple[dict, dict], normalizers: Any,
               normalizers_of: Callable, seed: tf.Tensor, size: int, zeros: Any) -> Any:
  """Adds up gradients and losses over the parts of a replica's batch.

  Args:
    gradients_of: called with the inputs of a part, its normalizers and its seed; returns tensors
      that add up.
    inputs: (features, targets) of the batch, every value [batch, ...], see
      `dataloaders.reader.build`.
    normalizers: of the complete batch.
    normalizers_of: called with `normalizers` and the indices of a part's images, returns those of
      the part.
    seed: int32 [2]; each part gets a different one.
    size: images per part, a divisor of the batch; 0: the complete batch is one part.
    zeros: what the sums start from, of the structure that `gradients_of` returns.

  Returns:
    What `gradients_of` returns, summed; zero for the gradient None of a variable that is not read.
  """
  batch = inputs[1]['classes'].shape[0]
  if size in (0, batch):
    return gradients_of(inputs, normalizers, seed)
  order = _by_shape(inputs[0]['image_size'])
  replicas = tf.distribute.get_strategy().num_replicas_in_sync

  def body(i, sums):
    index = order[i * size:(i + 1) * size]
    own_seed = seed + tf.stack([0, i * replicas])
    part = gradients_of(_take(inputs, index), normalizers_of(normalizers, index), own_seed)
    return i + 1, tf.nest.map_structure(_add, sums, part)
  parts = batch // size
  _, sums = tf.while_loop(
      lambda i, _: i < parts, body, (tf.constant(0), zeros), parallel_iterations=1,
      maximum_iterations=parts)
  return sums


def _add(total, value):
  return total if value is None else total + value


def _by_shape(image_size: tf.Tensor) -> tf.Tensor:
  """Returns the order of images by height over width: neighbors need little padding."""
  height, width = tf.unstack(tf.cast(image_size, tf.float32), axis=1)
  return tf.argsort(height / width, stable=True)


def _take(inputs, index):
  """Returns some images of a batch, cropped to the largest of them.

  Where the size of the batch is fixed, it stays.
  """
  features, targets = tf.nest.map_structure(lambda value: tf.gather(value, index), inputs)
  if features['image'].shape[1] is not None:
    return features, targets
  height, width = tf.unstack(tf.reduce_max(features['image_size'], axis=0))
  images = features['image'][:, :height, :width]
  id_maps = targets['id_maps'][:, :, :height, :width]
  return {**features, 'image': images}, {**targets, 'id_maps': id_maps}
