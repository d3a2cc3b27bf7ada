"""The models: one configuration class per family, and the groups of their parts.

What a family's configuration says about the model beyond the values (how many predictions it makes,
which values fit together) is a method of its class.
"""

import dataclasses

from official.modeling import hyperparams

from tf_maskformer.configs import backbones
from tf_maskformer.configs import limits
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.configs.fields import choice
from tf_maskformer.configs.fields import share_below_one
from tf_maskformer.configs.fields import within
from tf_maskformer.errors import require

_GROUPS = 32  # of a group norm
_SINE_AND_COSINE = 4  # a position's channels are these two of y and of x


@dataclasses.dataclass
class PixelDecoder(hyperparams.Config):
  """Feature pyramid that turns backbone features into mask features at stride 4."""
  width: int = within(1, limits.WIDTH, 256)  # channels of the pyramid
  mask_width: int = within(1, limits.WIDTH, 256)  # channels of the mask features
  # 'group' (32 groups) or '' (none; the convolutions get a bias):
  norm: str = choice('group', ('group', ''))
  # Of the encoder, on res5 ('transformer_fpn') or on res3 to res5 ('deformable'):
  encoder_layers: int = within(1, limits.LAYERS, 6)
  encoder_heads: int = within(1, limits.HEADS, 8)
  encoder_feedforward: int = within(1, limits.FEEDFORWARD, 2048)
  encoder_dropout: float = share_below_one(0.1)  # 'transformer_fpn' only
  # That a head samples in each level; 'deformable' only.
  encoder_points: int = within(1, limits.POINTS, 4)
  # 'deformable' only: keep only the input of an encoder layer and run it again for its gradient.
  recompute_encoder: bool = True

  def validate(self, kind: str, where: str) -> None:
    """Checks what must hold between the fields of a pixel decoder of that kind.

    Args:
      kind: the model's which_pixel_decoder.
      where: the dotted name of this group, for the message.

    Raises:
      UserError: with the keys that contradict each other.
    """
    points = PixelDecoder.encoder_points
    if kind != 'deformable':
      require(
          self.encoder_points == points,
          f'{where}.encoder_points has no effect on the pixel decoder {kind}; leave it {points}')
    else:
      require(
          not self.encoder_dropout,
          f'{where}.encoder_dropout has no effect on the deformable decoder; leave it 0')
    if kind != 'fpn':
      require(
          self.width % self.encoder_heads == 0,
          f'{where}.width is {self.width}, which encoder_heads ({self.encoder_heads}) do not '
          'divide; change one of them')
      require(
          self.width % _SINE_AND_COSINE == 0,
          f'{where}.width is {self.width}; it must be a multiple of {_SINE_AND_COSINE}')
    if self.norm == 'group' or kind == 'deformable':
      require(
          self.width % _GROUPS == 0,
          f"{where}.width is {self.width}; group norm (norm 'group', the deformable decoder) needs "
          f'a multiple of {_GROUPS}')


@dataclasses.dataclass
class TransformerDecoder(hyperparams.Config):
  """DETR decoder that turns queries into one embedding per query and layer."""
  layers: int = within(1, limits.LAYERS, 6)
  hidden: int = within(1, limits.WIDTH, 256)
  heads: int = within(1, limits.HEADS, 8)
  feedforward: int = within(1, limits.FEEDFORWARD, 2048)
  dropout: float = share_below_one(0.1)
  # Each layer norms what it reads instead of what it returns (PRE_NORM); so do the layers of the
  # encoder of 'transformer_fpn'.
  pre_norm: bool = False
  # A 1x1 convolution on the memory even where its width fits already:
  input_projection: bool = False

  def validate(self, where: str) -> None:
    """Checks what must hold between the fields; `where` is the group's dotted name.

    Raises:
      UserError: with the keys that contradict each other.
    """
    require(
        self.hidden % self.heads == 0,
        f'{where}.hidden is {self.hidden}, which its heads ({self.heads}) do not divide; change '
        'one of them')
    require(
        self.hidden % _SINE_AND_COSINE == 0,
        f'{where}.hidden is {self.hidden}; it must be a multiple of {_SINE_AND_COSINE}')


@dataclasses.dataclass
class Model(hyperparams.Config):
  """What every model has; a family is a subclass.

  PARTS (not a field): names of the parts, as `task.init_checkpoint_modules` knows them.
  FORMER (not a field): fields that configurations of this family had in earlier versions, with the
  only value that they may still be given.
  """
  # Without no-object; 0: that of the data set.
  num_classes: int = within(0, limits.SEGMENTS, 0)
  backbone: backbones.Backbone = dataclasses.field(default_factory=backbones.Backbone)
  # 'deformable': Mask2Former's.
  which_pixel_decoder: str = choice('transformer_fpn', ('transformer_fpn', 'fpn', 'deformable'))
  pixel_decoder: PixelDecoder = dataclasses.field(default_factory=PixelDecoder)
  # Images are padded (right, bottom) to a multiple of this; 0: not at all.
  size_divisibility: int = within(0, limits.SIDE // 4, 0)

  PARTS = ('backbone', 'pixel_decoder', 'predictor')  # type: tuple[str, ...]
  FORMER = {}  # type: dict[str, object]

  def num_predictions(self) -> int:
    """Returns how many predictions the model makes in training; each has a loss."""
    return 1

  def encoder_pre_norm(self) -> bool:
    """Whether the layers of the encoder of 'transformer_fpn' norm what they read."""
    return False

  def resolve(self, num_classes: int) -> None:
    """Fills in the fields that follow from the data set's number of classes, where they are 0."""
    self.num_classes = self.num_classes or num_classes

  def validate(self, data_set: DataSet, where: str) -> None:
    """Checks what must hold between the fields.

    Args:
      data_set: whose classes are predicted.
      where: the dotted name of the model, for the message.

    Raises:
      UserError: with the keys that contradict each other.
    """
    require(
        self.num_classes in (0, data_set.num_classes),
        f'{where}.num_classes is {self.num_classes}, but data set {data_set.name} has '
        f'{data_set.num_classes} classes; set {where}.num_classes={data_set.num_classes}')
    kind = self.backbone.type
    self.backbone.get().validate(f'{where}.backbone.{kind}')
    self.pixel_decoder.validate(self.which_pixel_decoder, f'{where}.pixel_decoder')


@dataclasses.dataclass
class TransformerModel(Model):
  """What the models with a transformer decoder have."""
  num_queries: int = within(1, limits.QUERIES, 100)
  transformer_decoder: TransformerDecoder = dataclasses.field(default_factory=TransformerDecoder)
  deep_supervision: bool = True  # a prediction after every decoder layer, or after the last only

  def num_predictions(self):
    """See `Model`."""
    return self.transformer_decoder.layers if self.deep_supervision else 1

  def encoder_pre_norm(self):
    """See `Model`; as officially (PRE_NORM), one setting for both transformers."""
    return self.transformer_decoder.pre_norm

  def validate(self, data_set, where):
    """See `Model`."""
    super().validate(data_set, where)
    self.transformer_decoder.validate(f'{where}.transformer_decoder')


@dataclasses.dataclass
class MaskFormer(TransformerModel):
  """MaskFormer (arXiv 2107.06278)."""
  FORMER = {'which_predictor': 'maskformer'}


@dataclasses.dataclass
class Mask2Former(TransformerModel):
  """Mask2Former: masked attention to a deformable pixel decoder (arXiv 2112.01527)."""
  which_pixel_decoder: str = 'deformable'
  pixel_decoder: PixelDecoder = dataclasses.field(
      default_factory=lambda: PixelDecoder(encoder_feedforward=1024, encoder_dropout=0.0))
  transformer_decoder: TransformerDecoder = dataclasses.field(
      default_factory=lambda: TransformerDecoder(layers=9, dropout=0.0))
  size_divisibility: int = 32

  FORMER = {'which_predictor': 'mask2former'}

  def num_predictions(self):
    """See `Model`; the queries predict before the first layer, too."""
    return self.transformer_decoder.layers + 1 if self.deep_supervision else 1

  def validate(self, data_set, where):
    """See `Model`."""
    super().validate(data_set, where)
    require(
        not self.transformer_decoder.dropout,
        f'{where}.transformer_decoder.dropout has no effect on mask2former; leave it 0')


@dataclasses.dataclass
class PerPixelBaseline(Model):
  """PerPixelBaseline (MaskFormer paper 4.2): a 1x1 convolution on the mask features."""
  which_pixel_decoder: str = 'fpn'

  FORMER = {
      'which_predictor': 'per_pixel', 'num_queries': 100, 'deep_supervision': False,
      'transformer_decoder': TransformerDecoder().as_dict()}


@dataclasses.dataclass
class PerPixelBaselinePlus(TransformerModel):
  """PerPixelBaseline+ (MaskFormer paper 4.2): a query per class, and no class head."""
  which_pixel_decoder: str = 'fpn'
  num_queries: int = within(0, limits.QUERIES, 0)  # 0: the number of classes, which it must be

  FORMER = {'which_predictor': 'per_pixel_plus'}

  def resolve(self, num_classes):
    """See `Model`."""
    super().resolve(num_classes)
    self.num_queries = self.num_queries or self.num_classes

  def validate(self, data_set, where):
    """See `Model`."""
    super().validate(data_set, where)
    num_classes = self.num_classes or data_set.num_classes
    require(
        self.num_queries in (0, num_classes),
        f'{where}.num_queries is {self.num_queries}; per_pixel_plus has a query for each class: '
        f'set it to {num_classes}')
