"""Backbones and their options."""

import dataclasses

from official.modeling import hyperparams


@dataclasses.dataclass
class ResNet(hyperparams.Config):
  """A ResNet of bottleneck blocks, detectron2's layout (MaskFormer's `R50`, `R101`)."""
  depth: int = 50  # 14, 26, 50, 101 or 152 layers
  stem_channels: int = 64
  res2_channels: int = 256  # output channels of res2; doubled at each later stage
  bottleneck_channels: int = 64  # channels inside the blocks of res2; doubled likewise
  norm: str = 'frozen'  # 'frozen' (needs pretrained weights), 'batch', 'sync' or 'group'
  stride_in_1x1: bool = False  # a block's stride sits on its first 1x1 (MSRA) or on its 3x3 (torchvision)
  res5_dilation: int = 1  # 2: res5 keeps res4's size and its 3x3 convolutions are dilated (RES5_DILATION)
  freeze_at: int = 0  # 0 trains all, 1 freezes the stem, n freezes res2 .. res<n> too


@dataclasses.dataclass
class Backbone(hyperparams.OneOfConfig):
  """Which backbone, and its options under the same name."""
  type: str = 'resnet'
  resnet: ResNet = dataclasses.field(default_factory=ResNet)
