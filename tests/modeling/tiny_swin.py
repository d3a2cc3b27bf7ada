"""The model of the recorded official run `mf_swin_tiny` and its weights."""

import numpy as np
import tensorflow as tf

from tests import support
from tests.modeling import golden
from tf_maskformer.configs.backbones import Backbone
from tf_maskformer.configs.backbones import Swin
from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.configs.model import PixelDecoder
from tf_maskformer.configs.model import TransformerDecoder
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.ops import image as image_ops


def config(window: int = 7, drop_path: float = 0.0) -> MaskFormer:
  """Returns the configuration that `mf_swin_tiny` was recorded with."""
  return MaskFormer(
      num_classes=7, num_queries=10,
      backbone=Backbone(type='swin', swin=Swin(
          embed_dim=16, depths=[2, 2, 2, 2], heads=[2, 2, 4, 4], window=window,
          drop_path=drop_path)),
      which_pixel_decoder='fpn',
      pixel_decoder=PixelDecoder(width=64, mask_width=32),
      transformer_decoder=TransformerDecoder(
          layers=2, hidden=32, heads=4, feedforward=64, dropout=0.0, input_projection=True))


def model(window: int = 7):
  """Returns the model with the recorded weights; every name on both sides is used once."""
  result = build_model(config(window))
  weights = dict(np.load(support.golden('mf_swin_tiny/weights.npz')))
  if window == 4:
    weights.update(np.load(support.golden('mf_swin_tiny/window4_extra_weights.npz')))
  golden.assign(result, weights)
  return result


def batch() -> tf.Tensor:
  """Returns the recorded images, normalized and padded, [batch, height, width, 3]."""
  arrays = np.load(support.golden('mf_swin_tiny/inputs.npz'))
  return tf.constant(arrays['images_normalized_padded'].transpose(0, 2, 3, 1))


def image(file: str) -> tf.Tensor:
  """Returns the one image of `window7_67x93` or `window4`, normalized."""
  arrays = np.load(support.golden(f'mf_swin_tiny/{file}.npz'))
  image = arrays['input/image_0'].transpose(1, 2, 0)[None]
  return image_ops.normalize(tf.constant(image), tf.constant([image.shape[1:3]]))
