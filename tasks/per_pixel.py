"""The task that trains and evaluates the per-pixel baselines: cross entropy of every pixel."""

import tensorflow as tf

from tf_maskformer.losses import per_pixel
from tf_maskformer.losses.normalizers import shares
from tf_maskformer.tasks.segmentation import SegmentationTask


class PerPixelTask(SegmentationTask):
  """PerPixelBaseline and PerPixelBaseline+: a cross entropy per prediction, void left out."""

  def _labels(self, targets) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the class of every pixel and how many pixels are not void.

    Returns:
      int32 [batch, height, width], -1 where void; and float32 [batch].
    """
    labels = per_pixel.labels_of(targets['id_maps'], targets['classes'], targets['valid'])
    return labels, tf.reduce_sum(tf.cast(labels >= 0, tf.float32), axis=[1, 2])

  def normalizers(self, targets) -> tf.Tensor:
    """Returns what each image's sum over pixels is multiplied by, float32 [batch]."""
    _, num_pixels = self._labels(targets)
    return shares(num_pixels, self.task_config.losses.images_per_normalizer)

  def normalizers_of(self, normalizers: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    return tf.gather(normalizers, index)

  def _sums(self, outputs, labels) -> tf.Tensor:
    """Returns the cross entropy summed over pixels, float32 [predictions, batch]."""
    predictions = tf.unstack(outputs['mask_logits'])
    return tf.stack([per_pixel.cross_entropy(logits, labels) for logits in predictions])

  def losses(self, outputs, targets, normalized_by, seed=None
             ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns the weighted sum over predictions and each one's unweighted loss."""
    del seed  # nothing here is random
    labels, _ = self._labels(targets)
    sums = self._sums(outputs, labels)
    losses = tf.reduce_sum(sums * normalized_by, axis=1)
    logs = {f'pixel_loss/layer_{layer}': value for layer, value in enumerate(tf.unstack(losses))}
    logs['pixel_loss'] = tf.reduce_sum(losses)
    return self.task_config.losses.weight * logs['pixel_loss'], logs

  def loss_names(self) -> list[str]:
    names = [f'pixel_loss/layer_{i}' for i in range(self.num_predictions())]
    return ['pixel_loss', *names]

  def losses_of_images(self, outputs, targets) -> tf.Tensor:
    labels, num_pixels = self._labels(targets)
    sums = tf.reduce_sum(self._sums(outputs, labels), axis=0)
    return self.task_config.losses.weight * sums / tf.maximum(num_pixels, 1.0)
