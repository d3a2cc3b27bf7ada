"""Backbones and their options: a dataclass per backbone, and a field of `Backbone`."""

import dataclasses

from official.modeling import hyperparams

from tf_maskformer.configs import limits
from tf_maskformer.configs.fields import choice
from tf_maskformer.configs.fields import share_below_one
from tf_maskformer.configs.fields import within
from tf_maskformer.errors import require

_GROUPS = 32  # of a group norm


@dataclasses.dataclass
class BackboneOptions(hyperparams.Config):
  """What a backbone's options say about it, beyond their values."""
  # Whether the recipes of MaskFormer treat it as a transformer: other optimizer, plain pyramid.
  IS_TRANSFORMER = False

  def validate(self, where: str) -> None:
    """Checks what must hold between the options.

    Args:
      where: the dotted name of this group, for the message.

    Raises:
      UserError: with the keys that contradict each other.
    """

  def norm_of_batch(self) -> str:
    """Returns the kind of norm whose statistics are those of the batch; '' where there is none."""
    return ''


@dataclasses.dataclass
class ResNet(BackboneOptions):
  """A ResNet of bottleneck blocks, detectron2's layout (MaskFormer's `R50`, `R101`)."""
  depth: int = choice(50, (14, 26, 50, 101, 152))  # layers
  # 'basic' (one 7x7 convolution) or 'deeplab' (three 3x3, `R101c`):
  stem_type: str = choice('basic', ('basic', 'deeplab'))
  stem_channels: int = within(2, limits.WIDTH // 8, 64)
  # Output channels of res2; doubled at each later stage.
  res2_channels: int = within(1, limits.WIDTH // 4, 256)
  # Inside the blocks of res2; doubled likewise.
  bottleneck_channels: int = within(1, limits.WIDTH // 16, 64)
  # 'frozen' needs pretrained weights.
  norm: str = choice('frozen', ('frozen', 'batch', 'sync', 'group'))
  # A block's stride is in its first 1x1 (MSRA) or in its 3x3 (torchvision).
  stride_in_1x1: bool = False
  # 2: res5 keeps res4's size and its 3x3 convolutions are dilated (RES5_DILATION).
  res5_dilation: int = choice(1, (1, 2))
  # Dilation of the 3x3 in each block of res5, times res5_dilation (RES5_MULTI_GRID).
  res5_multi_grid: list[int] = within(1, limits.LIST, [1, 1, 1])
  freeze_at: int = within(0, 5, 0)  # 0 trains all, 1 freezes the stem, n freezes res2 .. res<n> too

  def validate(self, where):
    """See `BackboneOptions`."""
    grid = self.res5_multi_grid
    require(len(grid) == 3, f'{where}.res5_multi_grid has {len(grid)} numbers; it needs three')
    blocks = {14: 1, 26: 2}.get(self.depth, 3)
    require(
        all(dilation == 1 for dilation in grid[blocks:]),
        f'{where}.res5_multi_grid is {grid}, but res5 has {blocks} blocks at depth {self.depth}; '
        'set the others to 1')
    require(
        grid[0] == 1 or self.res5_dilation > 1 or self.stride_in_1x1,
        f'{where}.res5_multi_grid begins with {grid[0]}, and the first 3x3 of res5 has stride 2; '
        'set it to 1, or res5_dilation=2')
    if self.norm == 'group':
      stem = self.stem_channels
      first = stem // 2 if self.stem_type == 'deeplab' else stem
      widths = (first, stem, self.res2_channels, self.bottleneck_channels)
      require(
          all(width % _GROUPS == 0 for width in widths),
          f"{where}.norm is 'group', of {_GROUPS} groups; stem_channels (deeplab: half of it), "
          f'res2_channels and bottleneck_channels must be multiples of {_GROUPS}')

  def norm_of_batch(self):
    """See `BackboneOptions`."""
    return self.norm if self.norm in ('batch', 'sync') else ''


@dataclasses.dataclass
class Swin(BackboneOptions):
  """A Swin transformer (arXiv 2103.14030), the defaults are Swin-T."""
  IS_TRANSFORMER = True
  # Channels of the first stage; doubled at each later one.
  embed_dim: int = within(1, limits.WIDTH // 8, 96)
  depths: list[int] = within(1, limits.LAYERS, [2, 2, 6, 2])  # blocks of each stage
  heads: list[int] = within(1, limits.HEADS, [3, 6, 12, 24])
  window: int = within(1, limits.WINDOW, 7)  # side of the attention windows, tokens
  mlp_ratio: float = within(0, 8, 4.0)
  qkv_bias: bool = True
  # Stochastic depth of the last block; grows linearly from 0 at the first.
  drop_path: float = share_below_one(0.3)

  def validate(self, where):
    """See `BackboneOptions`."""
    require(
        len(self.depths) == 4 and len(self.heads) == 4,
        f'{where}.depths and {where}.heads have {len(self.depths)} and {len(self.heads)} numbers; '
        'both need four')
    require(
        all((self.embed_dim << i) % heads == 0 for i, heads in enumerate(self.heads)),
        f'{where}.embed_dim is {self.embed_dim}; the heads {self.heads} do not divide the channels '
        'of their stages')
    require(
        int(self.embed_dim * self.mlp_ratio) >= 1,
        f'{where}.mlp_ratio is {self.mlp_ratio}, which leaves the first MLP no channel; raise it')


@dataclasses.dataclass
class Backbone(hyperparams.OneOfConfig):
  """Which backbone, and its options under the same name."""
  type: str = 'resnet'
  resnet: ResNet = dataclasses.field(default_factory=ResNet)
  swin: Swin = dataclasses.field(default_factory=Swin)
