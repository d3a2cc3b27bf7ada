"""What an experiment says, by the names of the published recipes' fields."""

from typing import Any

from tf_maskformer.configs.backbones import Backbone
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.model import Mask2Former
from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.configs.model import Model
from tf_maskformer.configs.model import PerPixelBaseline
from tf_maskformer.configs.model import PerPixelBaselinePlus
from tf_maskformer.configs.model import TransformerModel
from tf_maskformer.configs.task import Experiment
from tf_maskformer.configs.task import PerPixel
from tf_maskformer.configs.task import Segmentation

_MODELS = {
    MaskFormer: 'maskformer',
    Mask2Former: 'mask2former',
    PerPixelBaseline: 'per_pixel',
    PerPixelBaselinePlus: 'per_pixel_plus',
}
_STEMS = {'basic': 'one_7x7_convolution', 'deeplab': 'three_3x3_convolutions'}
_NORMS = {'frozen': 'FrozenBN', 'sync': 'SyncBN'}
_SCORES = ('panoptic', 'instance', 'semantic')  # the first of these is the recipe's task

Facts = dict[str, Any]


def of(experiment: Experiment) -> Facts:
  """Returns the facts of a resolved experiment; a field that its model does not have is None."""
  task = experiment.task
  scored = [score for score in _SCORES if getattr(task.evaluation, score)]
  return {
      'task': scored[0],
      'train_images': catalog.get(task.data_set).train_examples,
      **_backbone(task.model.backbone),
      **_model(task.model),
      **_decoder(task.model),
      **_loss(task),
      **_matching(task),
      **_training_images(task),
      **_validation(task),
      **_schedule(experiment),
  }


def _backbone(backbone: Backbone) -> Facts:
  resnet = dict.fromkeys((
      'resnet_depth', 'resnet_stem', 'resnet_norm', 'resnet_stride_in_1x1', 'resnet_freeze_at',
      'resnet_res5_block_dilations'))
  swin = dict.fromkeys((
      'swin_embed_dim', 'swin_depths', 'swin_heads', 'swin_window', 'swin_drop_path_rate'))
  if backbone.type == 'resnet':
    c = backbone.resnet
    resnet = {
        'resnet_depth': c.depth,
        'resnet_stem': _STEMS[c.stem_type],
        'resnet_norm': _NORMS[c.norm],
        'resnet_stride_in_1x1': c.stride_in_1x1,
        'resnet_freeze_at': c.freeze_at,
        'resnet_res5_block_dilations': [c.res5_dilation * d for d in c.res5_multi_grid],
    }
  else:
    c = backbone.swin
    swin = {
        'swin_embed_dim': c.embed_dim,
        'swin_depths': c.depths,
        'swin_heads': c.heads,
        'swin_window': c.window,
        'swin_drop_path_rate': c.drop_path,
    }
  return {'backbone_family': backbone.type, **resnet, **swin}


def _model(model: Model) -> Facts:
  pixel = model.pixel_decoder
  is_deformable = isinstance(model, Mask2Former)
  return {
      'model': _MODELS[type(model)],
      'num_classes': model.num_classes,
      'input_size_divisibility': model.size_divisibility,
      'pixel_decoder': model.which_pixel_decoder.replace('deformable', 'msdeformattn'),
      'pixel_decoder_width': pixel.width,
      'mask_feature_width': pixel.mask_width,
      'pixel_decoder_norm': {'group': 'GN'}[pixel.norm],
      'pixel_decoder_deformable_points': pixel.encoder_points if is_deformable else None,
  }


def _decoder(model: Model) -> Facts:
  if not isinstance(model, TransformerModel):
    absent = dict.fromkeys((
        'transformer_decoder_layers', 'supervised_predictions', 'transformer_decoder_dropout',
        'transformer_hidden_dim', 'transformer_heads', 'transformer_feedforward',
        'transformer_pre_norm', 'enforce_input_projection', 'num_queries'))
    return {'deep_supervision': False, **absent}
  decoder = model.transformer_decoder
  return {
      'deep_supervision': model.deep_supervision,
      'transformer_decoder_layers': decoder.layers,
      'supervised_predictions': model.num_predictions(),
      'transformer_decoder_dropout': decoder.dropout,
      'transformer_hidden_dim': decoder.hidden,
      'transformer_heads': decoder.heads,
      'transformer_feedforward': decoder.feedforward,
      'transformer_pre_norm': decoder.pre_norm,
      'enforce_input_projection': decoder.input_projection,
      'num_queries': model.num_queries,
  }


def _loss(task: Segmentation) -> Facts:
  losses = task.losses
  if isinstance(task, PerPixel):
    absent = dict.fromkeys((
        'class_loss_weight', 'no_object_weight', 'mask_loss', 'mask_loss_weight',
        'dice_loss_weight'))
    own = {'loss_kind': 'pixel_cross_entropy', 'pixel_cross_entropy_weight': losses.weight}
    return {**absent, **own}
  if isinstance(task.model, Mask2Former):
    mask_loss = 'binary_cross_entropy_on_points'
  else:
    mask_loss = f'sigmoid_focal_alpha_{losses.focal_alpha}_gamma_{losses.focal_gamma:g}'
  return {
      'loss_kind': 'mask_classification',
      'class_loss_weight': losses.class_weight,
      'no_object_weight': losses.no_object_weight,
      'mask_loss': mask_loss,
      'mask_loss_weight': losses.mask_weight,
      'dice_loss_weight': losses.dice_weight,
      'pixel_cross_entropy_weight': None,
  }


def _matching(task: Segmentation) -> Facts:
  losses = task.losses
  costs = dict.fromkeys(('match_class_cost', 'match_mask_cost', 'match_dice_cost'))
  points = dict.fromkeys(('loss_points', 'point_oversample_ratio', 'point_importance_ratio'))
  if not isinstance(task, PerPixel):
    costs = {
        'match_class_cost': losses.cost_class,
        'match_mask_cost': losses.cost_mask,
        'match_dice_cost': losses.cost_dice,
    }
  if isinstance(task.model, Mask2Former):
    points = {
        'loss_points': losses.points,
        'point_oversample_ratio': losses.oversample_ratio,
        'point_importance_ratio': losses.importance_ratio,
    }
  return {'published_images_per_gpu': losses.images_per_normalizer, **costs, **points}


def _training_images(task: Segmentation) -> Facts:
  parser = task.train_data.parser
  augmentation = parser.augmentation
  if augmentation.scale_jitter:
    crop_kind = 'fixed_size'
  elif augmentation.crop_to_output:
    crop_kind = 'absolute'
  else:
    crop_kind = 'absolute_range'
  is_window = augmentation.crop_to_output
  is_padded = parser.padding_byte >= 0
  return {
      'batch_size': task.train_data.global_batch_size,
      'train_short_edges': augmentation.short_edges or None,
      'train_long_edge_limit': augmentation.long_edge_limit or None,
      'scale_jitter_range': augmentation.scale_jitter or None,
      'crop_kind': crop_kind,
      'crop_size_height_width': parser.output_size if is_window else None,
      'crop_side_range': augmentation.crop_side_range or None,
      'crop_pre_resize_short_edges': augmentation.crop_pre_short_edges or None,
      'crop_probability': 1.0 if is_window else augmentation.crop_probability,
      'ssd_color_augmentation': augmentation.color_jitter,
      'flip_probability': augmentation.flip_probability,
      'train_pad_to': parser.output_size if is_padded else None,
      'image_pad_value': parser.padding_byte if is_padded else None,
  }


def _validation(task: Segmentation) -> Facts:
  augmentation = task.validation_data.parser.augmentation
  evaluation = task.evaluation
  return {
      'test_short_edge': augmentation.short_edges[0],
      'test_long_edge_limit': augmentation.long_edge_limit,
      'object_mask_threshold': evaluation.object_mask_threshold if evaluation.panoptic else None,
      'overlap_threshold': evaluation.overlap_threshold if evaluation.panoptic else None,
  }


def _schedule(experiment: Experiment) -> Facts:
  trainer = experiment.trainer
  optimizer = trainer.optimizer_config.optimizer
  rate = trainer.optimizer_config.learning_rate
  is_poly = rate.schedule == 'poly'
  is_last_only = trainer.validation_interval == trainer.train_steps
  return {
      'max_iterations': trainer.train_steps,
      'evaluation_period_iterations': 0 if is_last_only else trainer.validation_interval,
      'schedule': rate.schedule,
      'poly_power': rate.power if is_poly else None,
      'step_milestones': None if is_poly else rate.boundaries,
      'step_factor': None if is_poly else rate.factor,
      'warmup_has_effect': bool(rate.warmup_steps),
      'base_learning_rate': rate.base,
      'backbone_learning_rate_multiplier': optimizer.backbone_multiplier,
      'weight_decay': optimizer.weight_decay,
      'gradient_clip_global_norm': optimizer.gradient_clip_norm,
  }
