"""The mask classification model and its parts."""

import dataclasses

from official.modeling import hyperparams

from tf_maskformer.configs import backbones
from tf_maskformer.configs.fields import at_least
from tf_maskformer.configs.fields import choice
from tf_maskformer.configs.fields import share_below_one


@dataclasses.dataclass
class PixelDecoder(hyperparams.Config):
  """Feature pyramid that turns backbone features into mask features at stride 4."""
  width: int = at_least(1, 256)  # channels of the pyramid
  mask_width: int = at_least(1, 256)  # channels of the mask features
  # 'group' (32 groups) or '' (none; the convolutions get a bias):
  norm: str = choice('group', ('group', ''))
  # Of the encoder, on res5 ('transformer_fpn') or on res3 to res5 ('deformable'):
  encoder_layers: int = at_least(1, 6)
  encoder_heads: int = at_least(1, 8)
  encoder_feedforward: int = at_least(1, 2048)
  encoder_dropout: float = share_below_one(0.1)  # 'transformer_fpn' only
  encoder_points: int = at_least(1, 4)  # that a head samples in each level; 'deformable' only
  # 'deformable' only: keep nothing of an encoder layer but its input and run it again for its gradient.
  recompute_encoder: bool = True


@dataclasses.dataclass
class TransformerDecoder(hyperparams.Config):
  """DETR decoder that turns queries into one embedding a query and layer."""
  layers: int = at_least(1, 6)
  hidden: int = at_least(1, 256)
  heads: int = at_least(1, 8)
  feedforward: int = at_least(1, 2048)
  dropout: float = share_below_one(0.1)
  # Each layer norms what it reads instead of what it returns (PRE_NORM); so do the layers of the
  # encoder of 'transformer_fpn'.
  pre_norm: bool = False
  input_projection: bool = False  # a 1x1 convolution on the memory even where its width fits already


@dataclasses.dataclass
class MaskFormer(hyperparams.Config):
  """Backbone, pixel decoder and predictor: MaskFormer (arXiv 2107.06278), Mask2Former, and the per-pixel baselines."""
  num_classes: int = at_least(1, 133)  # without no-object
  # 'maskformer'; 'mask2former' (masked attention, arXiv 2112.01527); 'per_pixel' (PerPixelBaseline: a 1x1 convolution
  # on the mask features) or 'per_pixel_plus' (PerPixelBaseline+: a query for each class, no class head).
  which_predictor: str = choice(
      'maskformer', ('maskformer', 'mask2former', 'per_pixel', 'per_pixel_plus'))
  num_queries: int = at_least(1, 100)
  backbone: backbones.Backbone = dataclasses.field(default_factory=backbones.Backbone)
  # 'deformable': Mask2Former's.
  which_pixel_decoder: str = choice('transformer_fpn', ('transformer_fpn', 'fpn', 'deformable'))
  pixel_decoder: PixelDecoder = dataclasses.field(default_factory=PixelDecoder)
  transformer_decoder: TransformerDecoder = dataclasses.field(default_factory=TransformerDecoder)
  deep_supervision: bool = True  # a prediction after every decoder layer, or after the last only
  size_divisibility: int = 0  # images are padded (right, bottom) to a multiple of this; 0: not at all
