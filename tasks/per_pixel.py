"""The task that trains and evaluates the per-pixel baselines: cross entropy of every pixel."""

import tensorflow as tf

from losses import per_pixel
from losses.set_loss import mean_over_replicas
from tasks.segmentation import SegmentationTask


class PerPixelTask(SegmentationTask):
  """PerPixelBaseline and PerPixelBaseline+: one cross entropy for each prediction, a mean over pixels not void."""

  def _sums(self, outputs, targets) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the cross entropy summed over pixels, float32 [predictions, batch], and their number [batch]."""
    labels = per_pixel.labels_of(targets['id_maps'], targets['classes'], targets['valid'])
    num_pixels = tf.reduce_sum(tf.cast(labels >= 0, tf.float32), axis=[1, 2])
    predictions = tf.unstack(outputs['mask_logits'])
    return tf.stack([per_pixel.cross_entropy(logits, labels) for logits in predictions]), num_pixels

  def losses(self, outputs, targets, seed=None) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns the weighted sum over predictions and each one's unweighted loss."""
    del seed  # nothing here is random
    sums, num_pixels = self._sums(outputs, targets)
    # Over all replicas, so that the result does not depend on their number.
    normalizer = tf.maximum(mean_over_replicas(tf.reduce_sum(num_pixels)), 1.0)
    losses = tf.reduce_sum(sums, axis=1) / normalizer
    logs = {f'pixel_loss/layer_{layer}': value for layer, value in enumerate(tf.unstack(losses))}
    logs['pixel_loss'] = tf.reduce_sum(losses)
    return self.task_config.losses.weight * logs['pixel_loss'], logs

  def loss_names(self) -> list[str]:
    return ['pixel_loss', *(f'pixel_loss/layer_{layer}' for layer in range(self.num_predictions()))]

  def losses_of_pictures(self, outputs, targets) -> tf.Tensor:
    sums, num_pixels = self._sums(outputs, targets)
    return self.task_config.losses.weight * tf.reduce_sum(sums, axis=0) / tf.maximum(num_pixels, 1.0)
