"""From configuration to model: the one place that chooses parts."""

import tf_keras

from tf_maskformer import errors
from tf_maskformer.configs import backbones
from tf_maskformer.configs import model as model_configs
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

BACKBONES = {backbones.ResNet: ResNet, backbones.Swin: Swin}
PIXEL_DECODERS = {'fpn': FPN, 'transformer_fpn': TransformerFPN, 'deformable': DeformableDecoder}
DECODERS = {
    model_configs.MaskFormer: StandardDecoder,
    model_configs.Mask2Former: MaskedDecoder,
    model_configs.PerPixelBaseline: PerPixelHead,
    model_configs.PerPixelBaselinePlus: PerPixelDecoder,
}


def build_backbone(config: backbones.Backbone) -> tf_keras.layers.Layer:
  """Returns the backbone that the configuration chooses.

  Raises:
    UserError: its type is unknown.
  """
  known = [name for name in config.__dataclass_fields__ if name != 'type']
  if config.type not in known:
    raise errors.unknown('backbone', config.type, known)
  options = config.get()
  return BACKBONES[type(options)](options)


def build_model(config: model_configs.Model, seed: int | None = None) -> MaskClassificationModel:
  """Returns the model with freshly initialized weights.

  Args:
    config: the model's configuration, resolved: its number of classes is not 0.
    seed: makes the weights a function of it; None: different ones each time.

  Raises:
    UserError: a part's name is unknown.
    ValueError: the number of classes is 0.
  """
  if config.which_pixel_decoder not in PIXEL_DECODERS:
    raise errors.unknown('pixel decoder', config.which_pixel_decoder, PIXEL_DECODERS)
  if not config.num_classes:
    raise ValueError('num_classes is 0; call resolve() of the task or of the model first')
  if seed is not None:
    tf_keras.utils.set_random_seed(seed)
  backbone = build_backbone(config.backbone)
  make_pixel_decoder = PIXEL_DECODERS[config.which_pixel_decoder]
  pixel_decoder = make_pixel_decoder(
      config.pixel_decoder, backbone.channels, pre_norm=config.encoder_pre_norm())
  make_decoder = DECODERS[type(config)]
  predictor = make_decoder(config, pixel_decoder.widths)
  return MaskClassificationModel(backbone, pixel_decoder, predictor)
