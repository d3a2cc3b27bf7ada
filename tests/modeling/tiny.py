"""The model of the recorded official run `mf_tiny` and its weights."""

import json

import numpy as np
import tensorflow as tf

from tests import support
from tf_maskformer.configs.backbones import Backbone
from tf_maskformer.configs.backbones import ResNet
from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.configs.model import PerPixelBaseline
from tf_maskformer.configs.model import PerPixelBaselinePlus
from tf_maskformer.configs.model import PixelDecoder
from tf_maskformer.configs.model import TransformerDecoder
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.ops import image as image_ops


def _parts(dropout: float = 0.0, input_projection: bool = True) -> dict:
  return dict(
      num_classes=7,
      backbone=Backbone(resnet=ResNet(stem_channels=8, res2_channels=16, bottleneck_channels=4)),
      pixel_decoder=PixelDecoder(
          width=64, mask_width=32, encoder_layers=2, encoder_heads=4, encoder_feedforward=96,
          encoder_dropout=dropout),
      transformer_decoder=TransformerDecoder(
          layers=3, hidden=64, heads=4, feedforward=96, dropout=dropout,
          input_projection=input_projection))


def config(plain_fpn: bool = False, dropout: float = 0.0) -> MaskFormer:
  """Returns the configuration that `mf_tiny` (or its plain-FPN sibling) was recorded with."""
  return MaskFormer(
      num_queries=10, which_pixel_decoder='fpn' if plain_fpn else 'transformer_fpn',
      **_parts(dropout, input_projection=plain_fpn))


def per_pixel_config() -> PerPixelBaseline:
  """Returns PerPixelBaseline of the same size."""
  parts = _parts()
  parts.pop('transformer_decoder')
  return PerPixelBaseline(**parts)


def plus_config() -> PerPixelBaselinePlus:
  """Returns PerPixelBaseline+ of the same size."""
  return PerPixelBaselinePlus(num_queries=7, **_parts())


def official_weights(plain_fpn: bool = False) -> dict[str, np.ndarray]:
  """Returns the recorded weights by official name."""
  weights = dict(np.load(support.golden('mf_tiny/weights.npz')))
  if plain_fpn:
    known = json.loads(support.golden('mf_tiny/plainfpn/weight_names.json').read_text())
    weights.update(np.load(support.golden('mf_tiny/plainfpn/extra_weights.npz')))
    weights = {name: weights[name] for name in known['all_names']}
  weights.pop('criterion.empty_weight', None)
  return weights


def model(plain_fpn: bool = False):
  """Returns the model with the recorded weights; every name on both sides is used once."""
  result = build_model(config(plain_fpn))
  entries = names.entries(result)
  weights = official_weights(plain_fpn)
  assert set(entries) == set(weights)
  for name, value in weights.items():
    entries[name].assign_official(value)
  return result


def batch(file: str = 'inputs', prefix: str = '', divisor: int = 1) -> tuple[tf.Tensor, np.ndarray]:
  """Returns recorded images, normalized [batch, height, width, 3], and their sizes [batch, 2]."""
  arrays = np.load(support.golden(f'mf_tiny/{file}.npz'))
  images = [arrays[f'{prefix}image_{i}'].transpose(1, 2, 0) for i in range(2)]
  sizes = np.array([p.shape[:2] for p in images])
  height, width = -(-sizes.max(0) // divisor) * divisor
  padded = np.zeros([2, height, width, 3], np.uint8)
  for row, image in zip(padded, images):
    row[:image.shape[0], :image.shape[1]] = image
  return image_ops.normalize(tf.constant(padded), tf.constant(sizes, tf.int32)), sizes
