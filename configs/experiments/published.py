"""Builds the published experiments from their rows in `table`."""

from tf_maskformer.configs.backbones import Backbone
from tf_maskformer.configs.data import Augmentation
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.data import ParserConfig
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.configs.experiments import table
from tf_maskformer.configs.experiments.recipes import Recipe
from tf_maskformer.configs.experiments.table import Row
from tf_maskformer.configs.losses import Losses
from tf_maskformer.configs.losses import PerPixelLosses
from tf_maskformer.configs.losses import PointLosses
from tf_maskformer.configs.model import Mask2Former
from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.configs.model import Model
from tf_maskformer.configs.model import PerPixelBaseline
from tf_maskformer.configs.model import PerPixelBaselinePlus
from tf_maskformer.configs.model import TransformerDecoder
from tf_maskformer.configs.optimization import AdamW
from tf_maskformer.configs.optimization import LearningRate
from tf_maskformer.configs.optimization import Optimization
from tf_maskformer.configs.task import Experiment
from tf_maskformer.configs.task import MaskClassification
from tf_maskformer.configs.task import PerPixel
from tf_maskformer.configs.task import PointMaskClassification
from tf_maskformer.configs.task import Segmentation
from tf_maskformer.configs.task import Trainer

_INSTANCE_PLANES = 16  # id maps per image where segments overlap, as instances do
_GRAY = 128  # byte that fills a training window, where the official recipe does so
_NO_FILL = -1
_CHECKPOINT_INTERVAL = 5000  # steps
_SHUFFLE_BUFFER = 10000  # records


def build(name: str) -> Experiment:
  """Returns the published experiment of that name, a key of `table.PUBLISHED`."""
  row = table.PUBLISHED[name]
  recipe = table.recipe(name)
  task = _task(row, recipe)
  is_transformer = task.model.backbone.get().IS_TRANSFORMER
  trainer = Trainer(
      train_steps=recipe.steps,
      checkpoint_interval=_CHECKPOINT_INTERVAL,
      validation_interval=recipe.validation_interval or recipe.steps,
      best_checkpoint_eval_metric=row.metric,
      optimizer_config=_optimization(row, recipe, is_transformer))
  return Experiment(task=task, trainer=trainer)


def _task(row: Row, recipe: Recipe) -> Segmentation:
  make_model, make_task, make_losses = _FAMILIES[row.model]
  return make_task(
      data_set=row.data_set,
      # Windows of one size need no padding, whatever passes through the model together.
      micro_batch_size=0 if recipe.crop else recipe.images_per_gpu,
      model=make_model(row, recipe, _backbone(row, recipe)),
      losses=make_losses(images_per_normalizer=recipe.images_per_gpu),
      train_data=_train_data(row, recipe),
      validation_data=_validation_data(row, recipe),
      evaluation=_evaluation(row, recipe),
      init_checkpoint_modules='backbone')


def _backbone(row: Row, recipe: Recipe) -> Backbone:
  """Returns the backbone of a row; of those with a choice of norms the norm is the recipe's."""
  kind, options = table.BACKBONES[row.backbone]
  backbone = Backbone(type=kind)
  chosen = backbone.get()
  chosen.override(options)
  if hasattr(chosen, 'norm'):
    chosen.norm = recipe.norm
  return backbone


def _maskformer(row: Row, recipe: Recipe, backbone: Backbone) -> Model:
  is_transformer = backbone.get().IS_TRANSFORMER
  has_encoder = row.task == 'panoptic' and not is_transformer
  has_projection = row.data_set == 'coco_panoptic' and is_transformer
  return MaskFormer(
      backbone=backbone,
      num_queries=recipe.queries,
      which_pixel_decoder='transformer_fpn' if has_encoder else 'fpn',
      transformer_decoder=TransformerDecoder(input_projection=has_projection),
      size_divisibility=recipe.size_divisibility)


def _mask2former(row: Row, recipe: Recipe, backbone: Backbone) -> Model:
  del row
  return Mask2Former(backbone=backbone, num_queries=recipe.queries)


def _per_pixel(row: Row, recipe: Recipe, backbone: Backbone) -> Model:
  del row, recipe
  return PerPixelBaseline(backbone=backbone)


def _per_pixel_plus(row: Row, recipe: Recipe, backbone: Backbone) -> Model:
  del row, recipe
  return PerPixelBaselinePlus(backbone=backbone)


# Of a row's `model`: what makes the model, the task, and its losses.
_FAMILIES = {
    'maskformer': (_maskformer, MaskClassification, Losses),
    'mask2former': (_mask2former, PointMaskClassification, PointLosses),
    'per_pixel': (_per_pixel, PerPixel, PerPixelLosses),
    'per_pixel_plus': (_per_pixel_plus, PerPixel, PerPixelLosses),
}


def _planes(row: Row) -> int:
  """Id maps per image: more than one where segments overlap."""
  return _INSTANCE_PLANES if row.task == 'instance' else 1


def _train_data(row: Row, recipe: Recipe) -> DataConfig:
  return DataConfig(
      is_training=True,
      global_batch_size=recipe.images,
      shuffle_buffer_size=_SHUFFLE_BUFFER,
      parser=_window_parser(row, recipe) if recipe.crop else _detr_parser(recipe))


def _detr_parser(recipe: Recipe) -> ParserConfig:
  """Returns DETR's preparation: images of many sizes."""
  augmentation = Augmentation(
      crop_probability=0.5,
      crop_pre_short_edges=[400, 500, 600],
      crop_side_range=[384, 600],
      short_edges=list(recipe.short_edges),
      long_edge_limit=recipe.long_edge_limit)
  return ParserConfig(max_segments=recipe.max_segments, augmentation=augmentation)


def _window_parser(row: Row, recipe: Recipe) -> ParserConfig:
  """Returns the preparation of training windows of one size."""
  is_semantic = row.task == 'semantic'
  if recipe.jitter:
    augmentation = Augmentation(scale_jitter=list(recipe.jitter), crop_to_output=True)
  else:
    augmentation = Augmentation(
        short_edges=list(recipe.short_edges),
        long_edge_limit=recipe.long_edge_limit,
        crop_to_output=True,
        color_jitter=True,
        legacy_nearest=is_semantic)
  return ParserConfig(
      output_size=list(recipe.crop),
      padding_byte=_GRAY if recipe.padded else _NO_FILL,
      max_segments=recipe.max_segments,
      max_layers=_planes(row),
      merge_classes=is_semantic,
      # A segment that the crop removed stays as an empty mask, except for semantic labels and
      # COCO's instances.
      drop_vanished_segments=is_semantic or row.data_set == 'coco_instance',
      augmentation=augmentation)


def _validation_data(row: Row, recipe: Recipe) -> DataConfig:
  short_edge, long_edge_limit = recipe.test_edges
  augmentation = Augmentation(
      flip_probability=0.0, short_edges=[short_edge], long_edge_limit=long_edge_limit)
  parser = ParserConfig(
      max_layers=_planes(row), merge_classes=row.task == 'semantic', augmentation=augmentation)
  return DataConfig(is_training=False, drop_remainder=False, parser=parser)


def _evaluation(row: Row, recipe: Recipe) -> Evaluation:
  evaluation = Evaluation(
      panoptic='panoptic' in recipe.scores,
      semantic='semantic' in recipe.scores,
      instance='instance' in recipe.scores)
  if evaluation.panoptic:
    object_mask, overlap = recipe.thresholds
    evaluation.object_mask_threshold = object_mask
    evaluation.overlap_threshold = overlap
    evaluation.confident_pixels_only = row.model == 'mask2former'
  return evaluation


def _optimization(row: Row, recipe: Recipe, is_transformer: bool) -> Optimization:
  """Returns the optimizer; MaskFormer's recipes depend on whether the backbone is a transformer."""
  if recipe.boundaries:
    rate = LearningRate(schedule='multi_step', boundaries=list(recipe.boundaries))
  else:
    rate = LearningRate(schedule='poly')
  optimizer = AdamW()
  if row.model == 'mask2former':
    optimizer.weight_decay = 0.05
  elif is_transformer:
    optimizer.weight_decay = 0.01
    optimizer.backbone_multiplier = 1.0
    rate.base = 6e-5
    rate.warmup_steps = 1500
    rate.warmup_factor = 1e-6
  return Optimization(optimizer=optimizer, learning_rate=rate)
