"""The experiments on the embedded data set: what is different from the base configuration."""

from tf_maskformer.configs.backbones import Backbone
from tf_maskformer.configs.backbones import ResNet
from tf_maskformer.configs.data import Augmentation
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.data import ParserConfig
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.configs.losses import PointLosses
from tf_maskformer.configs.model import Mask2Former
from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.configs.model import PixelDecoder
from tf_maskformer.configs.model import TransformerDecoder
from tf_maskformer.configs.optimization import AdamW
from tf_maskformer.configs.optimization import LearningRate
from tf_maskformer.configs.optimization import Optimization
from tf_maskformer.configs.task import Experiment
from tf_maskformer.configs.task import MaskClassification
from tf_maskformer.configs.task import PointMaskClassification
from tf_maskformer.configs.task import Trainer

_WIDTH = 64  # channels of both decoders
_IMAGES = 16  # per step


def parts() -> dict:
  """Returns the parts that both models share: a thin network."""
  resnet = ResNet(
      depth=14, stem_channels=32, res2_channels=64, bottleneck_channels=32, norm='batch',
      res5_dilation=2)
  pixel_decoder = PixelDecoder(
      width=_WIDTH, mask_width=_WIDTH, encoder_layers=1, encoder_heads=4, encoder_feedforward=128,
      encoder_dropout=0.0)
  transformer_decoder = TransformerDecoder(
      layers=3, hidden=_WIDTH, heads=4, feedforward=128, dropout=0.0)
  return dict(
      num_queries=20, backbone=Backbone(resnet=resnet), pixel_decoder=pixel_decoder,
      transformer_decoder=transformer_decoder)


def _data(is_training: bool) -> DataConfig:
  augmentation = Augmentation(flip_probability=0.5 if is_training else 0.0)
  parser = ParserConfig(
      output_size=[128, 128], max_segments=16, drop_vanished_segments=True,
      augmentation=augmentation)
  return DataConfig(
      is_training=is_training, global_batch_size=_IMAGES, drop_remainder=is_training, parser=parser)


def _trainer(train_steps: int) -> Trainer:
  rate = LearningRate(base=1e-3, schedule='poly', warmup_steps=100, warmup_factor=0.01)
  optimizer = AdamW(backbone_multiplier=1.0, gradient_clip_norm=1.0)
  return Trainer(
      train_steps=train_steps, checkpoint_interval=500, validation_interval=train_steps,
      optimizer_config=Optimization(optimizer=optimizer, learning_rate=rate))


def _evaluation(confident_pixels_only: bool) -> Evaluation:
  # After minutes of training scores are not yet as high as the published thresholds expect.
  return Evaluation(
      object_mask_threshold=0.5, overlap_threshold=0.7,
      confident_pixels_only=confident_pixels_only)


def shapes_panoptic() -> Experiment:
  """The embedded data set with a thin network: minutes on two cores, from scratch."""
  task = MaskClassification(
      data_set='shapes_panoptic',
      model=MaskFormer(**parts()),
      train_data=_data(is_training=True),
      validation_data=_data(is_training=False),
      evaluation=_evaluation(confident_pixels_only=False))
  return Experiment(task=task, trainer=_trainer(train_steps=2000))


def shapes_mask2former() -> Experiment:
  """Mask2Former of the same size on the same data; fewer steps, since each takes longer."""
  model = Mask2Former(size_divisibility=0, **parts())
  model.pixel_decoder.recompute_encoder = False  # it is small
  task = PointMaskClassification(
      data_set='shapes_panoptic',
      model=model,
      train_data=_data(is_training=True),
      validation_data=_data(is_training=False),
      losses=PointLosses(points=1024),
      evaluation=_evaluation(confident_pixels_only=True))
  return Experiment(task=task, trainer=_trainer(train_steps=1500))
