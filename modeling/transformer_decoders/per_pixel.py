"""The head of PerPixelBaseline (MaskFormer paper 4.2; officially PerPixelBaselineHead)."""

from collections.abc import Mapping

import tensorflow as tf

from tf_maskformer.configs.model import PerPixelBaseline
from tf_maskformer.modeling.layers.convolution import Conv2D


class PerPixelHead(Conv2D):
  """A 1x1 convolution from mask features to the classes."""
  CLASS_TENSORS = ('weight', 'bias')
  QUERY_TENSORS = ()

  def __init__(self, config: PerPixelBaseline, widths: Mapping[str, int], name: str | None = None):
    """Makes the head; `config` is the model's, and of what `widths` describes nothing is read."""
    del widths
    super().__init__(config.pixel_decoder.mask_width, config.num_classes, 1,
                     initializer='c2_msra', name=name)

  def call(self, pyramid, training=False, seed=None, last_layer_only=False, progress=None):
    """Returns {'mask_logits': float32 [1, batch, classes, height / 4, width / 4]}.

    Args:
      pyramid: what the pixel decoder returned.
      training: not used, nor are the others; see `StandardDecoder`.
      seed: not used.
      last_layer_only: not used, there is one prediction.
      progress: not used.
    """
    del training, seed, last_layer_only, progress
    logits = tf.cast(super().call(pyramid['mask_features']), tf.float32)
    return {'mask_logits': tf.transpose(logits, [0, 3, 1, 2])[None]}
