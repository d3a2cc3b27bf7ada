"""Backbones and their options."""

import dataclasses

from official.modeling import hyperparams


def _list(*values: int):
  return dataclasses.field(default_factory=lambda: list(values))


@dataclasses.dataclass
class ResNet(hyperparams.Config):
  """A ResNet of bottleneck blocks, detectron2's layout (MaskFormer's `R50`, `R101`)."""
  depth: int = 50  # 14, 26, 50, 101 or 152 layers
  stem_type: str = 'basic'  # 'basic' (one 7x7 convolution) or 'deeplab' (three 3x3, `R101c`)
  stem_channels: int = 64
  res2_channels: int = 256  # output channels of res2; doubled at each later stage
  bottleneck_channels: int = 64  # channels inside the blocks of res2; doubled likewise
  norm: str = 'frozen'  # 'frozen' (needs pretrained weights), 'batch', 'sync' or 'group'
  stride_in_1x1: bool = False  # a block's stride sits on its first 1x1 (MSRA) or on its 3x3 (torchvision)
  res5_dilation: int = 1  # 2: res5 keeps res4's size and its 3x3 convolutions are dilated (RES5_DILATION)
  # Dilation of the 3x3 in each block of res5, times res5_dilation (RES5_MULTI_GRID); one number for each block.
  res5_multi_grid: list[int] = _list(1, 1, 1)
  freeze_at: int = 0  # 0 trains all, 1 freezes the stem, n freezes res2 .. res<n> too


@dataclasses.dataclass
class Swin(hyperparams.Config):
  """A Swin transformer (arXiv 2103.14030), the defaults are Swin-T."""
  embed_dim: int = 96  # channels of the first stage; doubled at each later one
  depths: list[int] = _list(2, 2, 6, 2)  # blocks of each stage
  heads: list[int] = _list(3, 6, 12, 24)
  window: int = 7  # side of the attention windows, tokens
  mlp_ratio: float = 4.0
  qkv_bias: bool = True
  drop_path: float = 0.3  # stochastic depth of the last block; grows linearly from 0 at the first


@dataclasses.dataclass
class Backbone(hyperparams.OneOfConfig):
  """Which backbone, and its options under the same name."""
  type: str = 'resnet'
  resnet: ResNet = dataclasses.field(default_factory=ResNet)
  swin: Swin = dataclasses.field(default_factory=Swin)
