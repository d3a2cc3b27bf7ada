"""The predictor of PerPixelBaseline (MaskFormer paper 4.2; official PerPixelBaselineHead)."""

import tensorflow as tf

from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.modeling.layers.convolution import Conv2D


class PerPixelPredictor(Conv2D):
  """A 1x1 convolution from mask features to the classes."""
  READS = 'memory'  # which it does not look at

  def __init__(self, config: MaskFormer, memory_width: int, name: str | None = None):
    del memory_width  # no transformer reads it
    super().__init__(config.pixel_decoder.mask_width, config.num_classes, 1, initializer='c2_msra', name=name)

  def call(self, pixel, training=False, seed=None, last_layer_only=False):
    """Returns {'mask_logits': float32 [1, batch, classes, height / 4, width / 4]}; arguments as StandardPredictor."""
    del training, seed, last_layer_only
    logits = tf.cast(super().call(pixel['mask_features']), tf.float32)
    return {'mask_logits': tf.transpose(logits, [0, 3, 1, 2])[None]}
