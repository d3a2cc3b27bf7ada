"""The model of the recorded official run `m2f_tiny` (Mask2Former) and its weights."""

import numpy as np
import tensorflow as tf

from tests import support
from tests.modeling import golden
from tf_maskformer.configs.backbones import Backbone
from tf_maskformer.configs.backbones import ResNet
from tf_maskformer.configs.model import Mask2Former
from tf_maskformer.configs.model import PixelDecoder
from tf_maskformer.configs.model import TransformerDecoder
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.ops import image as image_ops


def config() -> Mask2Former:
  """Returns the configuration that `m2f_tiny` was recorded with."""
  return Mask2Former(
      num_classes=7, num_queries=12,
      backbone=Backbone(resnet=ResNet(stem_channels=8, res2_channels=16, bottleneck_channels=4)),
      pixel_decoder=PixelDecoder(
          width=64, mask_width=32, encoder_layers=2, encoder_heads=4, encoder_feedforward=1024,
          encoder_dropout=0.0),
      transformer_decoder=TransformerDecoder(
          layers=5, hidden=64, heads=4, feedforward=96, dropout=0.0),
      size_divisibility=32)


def model():
  """Returns the model with the recorded weights; every name on both sides is used once."""
  result = build_model(config())
  weights = dict(np.load(support.golden('m2f_tiny/weights.npz')))
  golden.assign(result, weights)
  return result


def batch() -> tf.Tensor:
  """Returns the recorded images, normalized and padded, [batch, height, width, 3]."""
  arrays = np.load(support.golden('m2f_tiny/inputs.npz'))
  return tf.constant(arrays['images_normalized_padded'].transpose(0, 2, 3, 1))


def odd_batch() -> tf.Tensor:
  """Returns the two images of `odd_size`, normalized and padded to the larger."""
  arrays = np.load(support.golden('m2f_tiny/odd_size.npz'))
  images = [arrays[f'input/image_{i}'].transpose(1, 2, 0) for i in range(2)]
  sizes = np.array([p.shape[:2] for p in images])
  padded = np.zeros([2, *sizes.max(0), 3], np.uint8)
  for row, image in zip(padded, images):
    row[:image.shape[0], :image.shape[1]] = image
  return image_ops.normalize(tf.constant(padded), tf.constant(sizes, tf.int32))
