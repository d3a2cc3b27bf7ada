"""Builds the published experiments from their rows in `table`."""

from tf_maskformer.configs.backbones import Backbone
from tf_maskformer.configs.backbones import ResNet
from tf_maskformer.configs.backbones import Swin
from tf_maskformer.configs.data import Augmentation
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.data import ParserConfig
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.configs.experiments import table
from tf_maskformer.configs.losses import Losses
from tf_maskformer.configs.losses import PerPixelLosses
from tf_maskformer.configs.losses import PointLosses
from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.configs.model import PixelDecoder
from tf_maskformer.configs.model import TransformerDecoder
from tf_maskformer.configs.optimization import AdamW
from tf_maskformer.configs.optimization import LearningRate
from tf_maskformer.configs.optimization import Optimization
from tf_maskformer.configs.task import Experiment
from tf_maskformer.configs.task import MaskClassification
from tf_maskformer.configs.task import PerPixel
from tf_maskformer.configs.task import PointMaskClassification
from tf_maskformer.configs.task import Trainer


def build(name: str) -> Experiment:
  """Returns the published experiment of that name, a key of `table.PUBLISHED`."""
  row, recipe = table.PUBLISHED[name], table.recipe(name)
  data_set = catalog.get(row.data_set)
  make_task = {'maskformer': MaskClassification, 'mask2former': PointMaskClassification}.get(row.model, PerPixel)
  losses = {'maskformer': Losses, 'mask2former': PointLosses}.get(row.model, PerPixelLosses)
  return Experiment(
      task=make_task(
          data_set=data_set.name,
          losses=losses(images_per_normalizer=recipe.images_per_gpu),
          # Windows of one size need no padding, whatever passes through the model together.
          micro_batch_size=0 if recipe.crop else recipe.images_per_gpu,
          model=_model(row, recipe, data_set.num_classes),
          train_data=DataConfig(
              is_training=True, global_batch_size=recipe.images, shuffle_buffer_size=10000,
              parser=_train_parser(row, recipe)),
          validation_data=DataConfig(
              is_training=False, drop_remainder=False,
              parser=ParserConfig(
                  max_layers=_layers(row), merge_classes=row.task == 'semantic', augmentation=Augmentation(
                      flip_probability=0.0, short_edges=[recipe.test_edges[0]],
                      long_edge_limit=recipe.test_edges[1]))),
          evaluation=_evaluation(row, recipe),
          init_checkpoint_modules='backbone'),
      trainer=Trainer(
          train_steps=recipe.steps,
          checkpoint_interval=5000,
          validation_interval=recipe.validation_interval or recipe.steps,
          best_checkpoint_eval_metric=_BEST[row.task],
          optimizer_config=_optimization(row, recipe)))


# What chooses the best checkpoint.
_BEST = {'panoptic': 'pq_all', 'semantic': 'miou', 'instance': 'ap'}


def _layers(row: table.Row) -> int:
  """Id-map layers: instances overlap."""
  return 16 if row.task == 'instance' else 1


def _model(row: table.Row, recipe: table.Recipe, num_classes: int) -> MaskFormer:
  kind, options = table.BACKBONES[row.backbone]
  backbone = Backbone(type='resnet', resnet=ResNet(norm=recipe.norm, **options)) if kind == 'resnet' else Backbone(
      type='swin', swin=Swin(**options))
  common = dict(num_classes=num_classes, backbone=backbone, which_predictor=row.model)
  if row.model == 'mask2former':
    return MaskFormer(
        num_queries=recipe.queries, which_pixel_decoder='deformable',
        pixel_decoder=PixelDecoder(encoder_feedforward=1024, encoder_dropout=0.0),
        transformer_decoder=TransformerDecoder(layers=9, dropout=0.0), size_divisibility=32, **common)
  encodes = row.task == 'panoptic' and kind == 'resnet'
  return MaskFormer(
      num_queries=num_classes if row.model == 'per_pixel_plus' else recipe.queries,
      which_pixel_decoder='transformer_fpn' if encodes else 'fpn',
      transformer_decoder=TransformerDecoder(input_projection=row.data_set == 'coco_panoptic' and kind == 'swin'),
      deep_supervision=row.model != 'per_pixel',
      size_divisibility=recipe.size_divisibility if row.model == 'maskformer' else 0, **common)


def _train_parser(row: table.Row, recipe: table.Recipe) -> ParserConfig:
  short_edges = list(recipe.short_edges)
  if not recipe.crop:
    return ParserConfig(max_segments=recipe.max_segments, augmentation=Augmentation(
        crop_probability=0.5, crop_pre_short_edges=[400, 500, 600], crop_side_range=[384, 600],
        short_edges=short_edges, long_edge_limit=recipe.long_edge_limit))
  window = dict(
      output_size=list(recipe.crop), padding_byte=128 if recipe.padded else -1,
      max_segments=recipe.max_segments, max_layers=_layers(row),
      merge_classes=row.task == 'semantic',
      # A segment that the crop removed stays as an empty mask, but for semantic labels and COCO's instances.
      drop_vanished_segments=row.task == 'semantic' or row.data_set == 'coco_instance')
  if recipe.jitter:
    return ParserConfig(augmentation=Augmentation(scale_jitter=list(recipe.jitter), crop_to_output=True), **window)
  return ParserConfig(
      augmentation=Augmentation(
          short_edges=short_edges, long_edge_limit=recipe.long_edge_limit, crop_to_output=True, color_jitter=True,
          legacy_nearest=row.task == 'semantic'), **window)


def _evaluation(row: table.Row, recipe: table.Recipe) -> Evaluation:
  scores = {score: score in recipe.scores for score in ('panoptic', 'semantic', 'instance')}
  if 'panoptic' not in recipe.scores:
    return Evaluation(**scores)
  objects, overlap = recipe.thresholds
  return Evaluation(
      object_mask_threshold=objects, overlap_threshold=overlap, confident_pixels_only=row.model == 'mask2former',
      **scores)


def _optimization(row: table.Row, recipe: table.Recipe) -> Optimization:
  rate = dict(schedule='multi_step', boundaries=list(recipe.boundaries)) if recipe.boundaries else dict(
      schedule='poly')
  if row.model == 'mask2former':
    return Optimization(optimizer=AdamW(weight_decay=0.05), learning_rate=LearningRate(**rate))
  if not row.backbone.startswith('swin'):
    return Optimization(learning_rate=LearningRate(**rate))
  return Optimization(
      optimizer=AdamW(weight_decay=0.01, backbone_multiplier=1.0),
      learning_rate=LearningRate(base=6e-5, warmup_steps=1500, warmup_factor=1e-6, **rate))
