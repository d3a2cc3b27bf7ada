"""Backbones and their options."""

import dataclasses

from official.modeling import hyperparams

from tf_maskformer.configs.fields import at_least
from tf_maskformer.configs.fields import choice
from tf_maskformer.configs.fields import share_below_one


@dataclasses.dataclass
class ResNet(hyperparams.Config):
  """A ResNet of bottleneck blocks, detectron2's layout (MaskFormer's `R50`, `R101`)."""
  depth: int = choice(50, (14, 26, 50, 101, 152))  # layers
  # 'basic' (one 7x7 convolution) or 'deeplab' (three 3x3, `R101c`):
  stem_type: str = choice('basic', ('basic', 'deeplab'))
  stem_channels: int = at_least(1, 64)
  res2_channels: int = at_least(1, 256)  # output channels of res2; doubled at each later stage
  bottleneck_channels: int = at_least(1, 64)  # inside the blocks of res2; doubled likewise
  # 'frozen' needs pretrained weights.
  norm: str = choice('frozen', ('frozen', 'batch', 'sync', 'group'))
  stride_in_1x1: bool = False  # a block's stride sits on its first 1x1 (MSRA) or on its 3x3 (torchvision)
  # 2: res5 keeps res4's size and its 3x3 convolutions are dilated (RES5_DILATION).
  res5_dilation: int = choice(1, (1, 2))
  # Dilation of the 3x3 in each block of res5, times res5_dilation (RES5_MULTI_GRID); one number for each block.
  res5_multi_grid: list[int] = at_least(1, [1, 1, 1])
  freeze_at: int = 0  # 0 trains all, 1 freezes the stem, n freezes res2 .. res<n> too


@dataclasses.dataclass
class Swin(hyperparams.Config):
  """A Swin transformer (arXiv 2103.14030), the defaults are Swin-T."""
  embed_dim: int = at_least(1, 96)  # channels of the first stage; doubled at each later one
  depths: list[int] = at_least(1, [2, 2, 6, 2])  # blocks of each stage
  heads: list[int] = at_least(1, [3, 6, 12, 24])
  window: int = at_least(1, 7)  # side of the attention windows, tokens
  mlp_ratio: float = 4.0
  qkv_bias: bool = True
  # Stochastic depth of the last block; grows linearly from 0 at the first.
  drop_path: float = share_below_one(0.3)


@dataclasses.dataclass
class Backbone(hyperparams.OneOfConfig):
  """Which backbone, and its options under the same name."""
  type: str = 'resnet'
  resnet: ResNet = dataclasses.field(default_factory=ResNet)
  swin: Swin = dataclasses.field(default_factory=Swin)
