"""The experiments on the embedded data set: what is different from the base configuration."""

from tf_maskformer.configs.backbones import Backbone
from tf_maskformer.configs.backbones import ResNet
from tf_maskformer.configs.data import Augmentation
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.data import ParserConfig
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.configs.losses import PointLosses
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


def shapes_panoptic() -> Experiment:
  """The embedded data set with a thin network: minutes on two cores, from scratch."""
  data_set = catalog.get('shapes_panoptic')
  width, train_steps = 64, 2000
  model = MaskFormer(
      num_classes=data_set.num_classes,
      num_queries=20,
      backbone=Backbone(resnet=ResNet(
          depth=14, stem_channels=32, res2_channels=64, bottleneck_channels=32, norm='batch', res5_dilation=2)),
      pixel_decoder=PixelDecoder(
          width=width, mask_width=width, encoder_layers=1, encoder_heads=4, encoder_feedforward=128,
          encoder_dropout=0.0),
      transformer_decoder=TransformerDecoder(layers=3, hidden=width, heads=4, feedforward=128, dropout=0.0))
  def data(is_training):
    return DataConfig(
        is_training=is_training, global_batch_size=16, drop_remainder=is_training,
        parser=ParserConfig(
            output_size=[128, 128], max_segments=16, drop_vanished_segments=True,
            augmentation=Augmentation(flip_probability=0.5 if is_training else 0.0)))
  return Experiment(
      task=MaskClassification(
          data_set=data_set.name, model=model, train_data=data(True), validation_data=data(False),
          # After minutes of training scores are not yet as sure as the published thresholds expect.
          evaluation=Evaluation(object_mask_threshold=0.5, overlap_threshold=0.7)),
      trainer=Trainer(
          train_steps=train_steps, checkpoint_interval=500, validation_interval=train_steps,
          optimizer_config=Optimization(
              optimizer=AdamW(backbone_multiplier=1.0, gradient_clip_norm=1.0),
              learning_rate=LearningRate(
                  base=1e-3, schedule='poly', warmup_steps=100, warmup_factor=0.01))))


def shapes_mask2former() -> Experiment:
  """Mask2Former of the same size on the same data; fewer steps, since each takes longer."""
  experiment = shapes_panoptic()
  task = experiment.task
  task.model.which_predictor, task.model.which_pixel_decoder = 'mask2former', 'deformable'
  task.model.pixel_decoder.recompute_encoder = False  # it is small
  experiment.task = PointMaskClassification(
      data_set=task.data_set, model=task.model, train_data=task.train_data, validation_data=task.validation_data,
      losses=PointLosses(points=1024),
      evaluation=task.evaluation.replace(confident_pixels_only=True))
  experiment.trainer.train_steps = experiment.trainer.validation_interval = 1500
  return experiment
