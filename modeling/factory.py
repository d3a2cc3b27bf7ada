"""From configuration to model: the one place that chooses parts."""

import tf_keras

from tf_maskformer import errors
from tf_maskformer.configs import backbones
from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.modeling.backbones.resnet import ResNet
from tf_maskformer.modeling.backbones.swin import Swin
from tf_maskformer.modeling.mask_classification import MaskClassificationModel
from tf_maskformer.modeling.pixel_decoders.deformable import DeformableDecoder
from tf_maskformer.modeling.pixel_decoders.fpn import FPN
from tf_maskformer.modeling.pixel_decoders.fpn import TransformerFPN
from tf_maskformer.modeling.transformer_decoders.masked import MaskedDecoder
from tf_maskformer.modeling.transformer_decoders.per_pixel import PerPixelHead
from tf_maskformer.modeling.transformer_decoders.standard import PerPixelDecoder
from tf_maskformer.modeling.transformer_decoders.standard import StandardDecoder

BACKBONES = {'resnet': ResNet, 'swin': Swin}
PREDICTORS = {
    'maskformer': StandardDecoder, 'mask2former': MaskedDecoder, 'per_pixel': PerPixelHead,
    'per_pixel_plus': PerPixelDecoder}
PIXEL_DECODERS = {'fpn': FPN, 'transformer_fpn': TransformerFPN, 'deformable': DeformableDecoder}


def build_backbone(config: backbones.Backbone) -> tf_keras.layers.Layer:
  """Returns the backbone that the configuration names."""
  if config.type not in BACKBONES:
    raise errors.unknown('backbone', config.type, BACKBONES)
  return BACKBONES[config.type](config.get())


def build_model(config: MaskFormer, seed: int | None = None) -> MaskClassificationModel:
  """Returns the model with freshly initialized weights.

  Args:
    config: the model's configuration.
    seed: makes the weights a function of it; None: different ones each time.

  Raises:
    UserError: a part's name is unknown.
  """
  if config.which_pixel_decoder not in PIXEL_DECODERS:
    raise errors.unknown('pixel decoder', config.which_pixel_decoder, PIXEL_DECODERS)
  if config.which_predictor not in PREDICTORS:
    raise errors.unknown('predictor', config.which_predictor, PREDICTORS)
  if seed is not None:
    tf_keras.utils.set_random_seed(seed)
  backbone = build_backbone(config.backbone)
  # As officially (PRE_NORM), one setting for both transformers.
  pixel_decoder = PIXEL_DECODERS[config.which_pixel_decoder](
      config.pixel_decoder, backbone.channels, pre_norm=config.transformer_decoder.pre_norm)
  predictor = PREDICTORS[config.which_predictor](config, pixel_decoder.widths)
  return MaskClassificationModel(backbone, pixel_decoder, predictor)
