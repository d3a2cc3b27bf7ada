"""The task that trains and evaluates the per-pixel baselines: cross entropy of every pixel."""

import tensorflow as tf

from tf_maskformer.losses import normalizers
from tf_maskformer.losses import per_pixel
from tf_maskformer.tasks.segmentation import SegmentationTask


class PerPixelTask(SegmentationTask):
  """PerPixelBaseline and PerPixelBaseline+: one cross entropy for each prediction, a mean over pixels not void."""

  def _labels(self, targets) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the class of every pixel, int32 [batch, height, width], -1 where void, and how many are not [batch]."""
    labels = per_pixel.labels_of(targets['id_maps'], targets['classes'], targets['valid'])
    return labels, tf.reduce_sum(tf.cast(labels >= 0, tf.float32), axis=[1, 2])

  def normalizers(self, targets) -> tf.Tensor:
    """Returns what each image's sum over pixels is multiplied by, float32 [batch]."""
    return normalizers.shares(self._labels(targets)[1], self.task_config.losses.images_per_normalizer)

  def normalizers_of(self, whole: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    return tf.gather(whole, index)

  def _sums(self, outputs, labels) -> tf.Tensor:
    """Returns the cross entropy summed over pixels, float32 [predictions, batch]."""
    predictions = tf.unstack(outputs['mask_logits'])
    return tf.stack([per_pixel.cross_entropy(logits, labels) for logits in predictions])

  def losses(self, outputs, targets, normalized_by, seed=None) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns the weighted sum over predictions and each one's unweighted loss."""
    del seed  # nothing here is random
    sums = self._sums(outputs, self._labels(targets)[0])
    losses = tf.reduce_sum(sums * normalized_by, axis=1)
    logs = {f'pixel_loss/layer_{layer}': value for layer, value in enumerate(tf.unstack(losses))}
    logs['pixel_loss'] = tf.reduce_sum(losses)
    return self.task_config.losses.weight * logs['pixel_loss'], logs

  def loss_names(self) -> list[str]:
    return ['pixel_loss', *(f'pixel_loss/layer_{layer}' for layer in range(self.num_predictions()))]

  def losses_of_images(self, outputs, targets) -> tf.Tensor:
    labels, num_pixels = self._labels(targets)
    sums = tf.reduce_sum(self._sums(outputs, labels), axis=0)
    return self.task_config.losses.weight * sums / tf.maximum(num_pixels, 1.0)
