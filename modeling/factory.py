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
from tf_maskformer.modeling.transformer_decoders.masked import MaskedPredictor
from tf_maskformer.modeling.transformer_decoders.per_pixel import PerPixelPredictor
from tf_maskformer.modeling.transformer_decoders.standard import StandardPredictor

BACKBONES = {'resnet': ResNet, 'swin': Swin}
PREDICTORS = {
    'maskformer': StandardPredictor, 'mask2former': MaskedPredictor, 'per_pixel': PerPixelPredictor,
    'per_pixel_plus': StandardPredictor}
PIXEL_DECODERS = {'fpn': FPN, 'transformer_fpn': TransformerFPN, 'deformable': DeformableDecoder}


def build_backbone(config: backbones.Backbone) -> tf_keras.layers.Layer:
  """Returns the backbone that the configuration names."""
  if config.type not in BACKBONES:
    raise errors.unknown('backbone', config.type, BACKBONES)
  return BACKBONES[config.type](config.get())


def build_model(config: MaskFormer, seed: int | None = None) -> MaskClassificationModel:
  """Returns the model with freshly drawn weights.

  Args:
    config: the model's configuration.
    seed: makes the weights a function of it; None: drawn anew each time.

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
  options = {}
  if config.which_pixel_decoder == 'transformer_fpn':
    # As officially (PRE_NORM), one setting for both transformers.
    options['pre_norm'] = config.transformer_decoder.pre_norm
  make_pixel_decoder = PIXEL_DECODERS[config.which_pixel_decoder]
  pixel_decoder = make_pixel_decoder(config.pixel_decoder, backbone.channels, **options)
  make_predictor = PREDICTORS[config.which_predictor]
  predictor = make_predictor(config, pixel_decoder.widths[make_predictor.READS])
  return MaskClassificationModel(backbone, pixel_decoder, predictor)
