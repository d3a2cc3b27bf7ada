"""Builds the published experiments from their rows in `table`."""

from configs import datasets
from configs.backbones import Backbone
from configs.backbones import ResNet
from configs.backbones import Swin
from configs.data import Augmentation
from configs.data import DataConfig
from configs.data import Parser
from configs.evaluation import Evaluation
from configs.experiments import table
from configs.model import MaskFormer
from configs.model import TransformerDecoder
from configs.optimization import AdamW
from configs.optimization import LearningRate
from configs.optimization import Optimization
from configs.task import Experiment
from configs.task import MaskClassification
from configs.task import PerPixel
from configs.task import Trainer


def build(name: str) -> Experiment:
  """Returns the published experiment of that name, a key of `table.PUBLISHED`."""
  row, recipe = table.PUBLISHED[name], table.recipe(name)
  data_set = datasets.get(row.data_set)
  make_task = MaskClassification if row.model == 'maskformer' else PerPixel
  panoptic = row.task == 'panoptic'
  return Experiment(
      task=make_task(
          data_set=data_set.name,
          model=_model(row, recipe, data_set.num_classes),
          train_data=DataConfig(
              is_training=True, global_batch_size=recipe.pictures, shuffle_buffer_size=10000,
              parser=_train_parser(recipe, panoptic)),
          validation_data=DataConfig(
              is_training=False, global_batch_size=8, drop_remainder=False,
              parser=Parser(augmentation=Augmentation(
                  flip_probability=0.0, short_edges=[recipe.test_edges[0]],
                  long_edge_limit=recipe.test_edges[1]))),
          evaluation=_evaluation(row, recipe),
          init_checkpoint_modules='backbone'),
      trainer=Trainer(
          train_steps=recipe.steps,
          checkpoint_interval=5000,
          validation_interval=recipe.validation_interval or recipe.steps,
          best_checkpoint_eval_metric='pq_all' if panoptic else 'miou',
          optimizer_config=_optimization(row, recipe)))


def _model(row: table.Row, recipe: table.Recipe, num_classes: int) -> MaskFormer:
  kind, options = table.BACKBONES[row.backbone]
  backbone = Backbone(type='resnet', resnet=ResNet(**options)) if kind == 'resnet' else Backbone(
      type='swin', swin=Swin(**options))
  encodes = row.task == 'panoptic' and kind == 'resnet'
  return MaskFormer(
      num_classes=num_classes,
      num_queries=num_classes if row.model == 'per_pixel_plus' else 100,
      backbone=backbone,
      which_pixel_decoder='transformer_fpn' if encodes else 'fpn',
      which_predictor=row.model,
      transformer_decoder=TransformerDecoder(input_projection=row.data_set == 'coco_panoptic' and kind == 'swin'),
      deep_supervision=row.model != 'per_pixel',
      size_divisibility=recipe.size_divisibility if row.model == 'maskformer' else 0)


def _train_parser(recipe: table.Recipe, panoptic: bool) -> Parser:
  short_edges = list(recipe.short_edges)
  if not recipe.crop:
    return Parser(augmentation=Augmentation(
        crop_probability=0.5, crop_pre_short_edges=[400, 500, 600], crop_side_range=[384, 600],
        short_edges=short_edges, long_edge_limit=recipe.long_edge_limit))
  return Parser(
      output_size=list(recipe.crop),
      padding_byte=128 if recipe.padded else -1,
      drop_vanished_segments=not panoptic,
      augmentation=Augmentation(
          short_edges=short_edges, long_edge_limit=recipe.long_edge_limit, crop_to_output=True, color_jitter=True,
          legacy_nearest=not panoptic))


def _evaluation(row: table.Row, recipe: table.Recipe) -> Evaluation:
  if row.task == 'semantic':
    return Evaluation(panoptic=False, semantic=True)
  objects, overlap = recipe.thresholds
  return Evaluation(
      panoptic=True, semantic=row.data_set != 'coco_panoptic', object_mask_threshold=objects,
      overlap_threshold=overlap)


def _optimization(row: table.Row, recipe: table.Recipe) -> Optimization:
  rate = dict(schedule='multi_step', boundaries=list(recipe.boundaries)) if recipe.boundaries else dict(
      schedule='poly')
  if not row.backbone.startswith('swin'):
    return Optimization(learning_rate=LearningRate(**rate))
  return Optimization(
      optimizer=AdamW(weight_decay=0.01, backbone_multiplier=1.0),
      learning_rate=LearningRate(base=6e-5, warmup_steps=1500, warmup_factor=1e-6, **rate))
