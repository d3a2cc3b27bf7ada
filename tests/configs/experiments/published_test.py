"""Every registered experiment against its published recipe, field by field."""

import json

import pytest

from tests.configs.experiments import recipes
from tf_maskformer.configs import overrides
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import published
from tf_maskformer.configs.experiments import table
from tf_maskformer.configs.model import Mask2Former
from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.configs.model import PerPixelBaseline
from tf_maskformer.configs.model import PerPixelBaselinePlus
from tf_maskformer.configs.model import TransformerModel
from tf_maskformer.configs.task import PerPixel

RESULTS = {'PQ': 'pq_all', 'mIoU': 'miou', 'AP': 'ap'}  # what evaluations call a score
MODELS = {MaskFormer: 'maskformer', Mask2Former: 'mask2former', PerPixelBaseline: 'per_pixel',
          PerPixelBaselinePlus: 'per_pixel_plus'}
STEMS = {'basic': 'one_7x7_convolution', 'deeplab': 'three_3x3_convolutions'}


def fields(name):
  """What an experiment says, by the names of the recipes' fields; those that a model lacks are None."""
  e = published.build(name)
  e.task.resolve()
  task, model, train = e.task, e.task.model, e.task.train_data.parser
  augmentation, test = train.augmentation, task.validation_data.parser.augmentation
  is_resnet, per_pixel = model.backbone.type == 'resnet', isinstance(task, PerPixel)
  resnet, swin = model.backbone.resnet, model.backbone.swin
  decodes, optimizer = isinstance(model, TransformerModel), e.trainer.optimizer_config.optimizer
  decoder = model.transformer_decoder if decodes else None
  rate, losses = e.trainer.optimizer_config.learning_rate, task.losses
  fixed, poly = augmentation.crop_to_output, rate.schedule == 'poly'
  panoptic = task.evaluation.panoptic
  points = isinstance(model, Mask2Former)
  jitter = bool(augmentation.scale_jitter)
  scored = [score for score in ('panoptic', 'instance', 'semantic') if getattr(task.evaluation, score)]
  resnet_only = lambda value: value if is_resnet else None
  swin_only = lambda value: None if is_resnet else value
  mask_only = lambda value: None if per_pixel else value
  return {
      'model': MODELS[type(model)], 'task': scored[0],
      'train_images': catalog.get(task.data_set).train_examples, 'num_classes': model.num_classes,
      'backbone_family': model.backbone.type, 'resnet_depth': resnet_only(resnet.depth),
      'resnet_stem': resnet_only(STEMS[resnet.stem_type]),
      'resnet_norm': resnet_only({'frozen': 'FrozenBN', 'sync': 'SyncBN'}[resnet.norm]),
      'resnet_stride_in_1x1': resnet_only(resnet.stride_in_1x1), 'resnet_freeze_at': resnet_only(resnet.freeze_at),
      'resnet_res5_block_dilations': resnet_only([resnet.res5_dilation * d for d in resnet.res5_multi_grid]),
      'swin_embed_dim': swin_only(swin.embed_dim), 'swin_depths': swin_only(swin.depths),
      'swin_heads': swin_only(swin.heads), 'swin_window': swin_only(swin.window),
      'swin_drop_path_rate': swin_only(swin.drop_path),
      'pixel_decoder': model.which_pixel_decoder.replace('deformable', 'msdeformattn'),
      'pixel_decoder_width': model.pixel_decoder.width, 'mask_feature_width': model.pixel_decoder.mask_width,
      'pixel_decoder_norm': {'group': 'GN'}[model.pixel_decoder.norm],
      'transformer_decoder_layers': decoder and decoder.layers,
      'supervised_predictions': model.num_predictions() if decodes else None,
      'transformer_decoder_dropout': decoder and decoder.dropout,
      'transformer_hidden_dim': decoder and decoder.hidden,
      'transformer_heads': decoder and decoder.heads, 'transformer_feedforward': decoder and decoder.feedforward,
      'transformer_pre_norm': decoder and decoder.pre_norm,
      'enforce_input_projection': decoder and decoder.input_projection,
      'num_queries': model.num_queries if decodes else None, 'input_size_divisibility': model.size_divisibility,
      'deep_supervision': decodes and model.deep_supervision,
      'loss_kind': 'pixel_cross_entropy' if per_pixel else 'mask_classification',
      'class_loss_weight': mask_only(getattr(losses, 'class_weight', None)),
      'no_object_weight': mask_only(getattr(losses, 'no_object_weight', None)),
      'mask_loss': 'binary_cross_entropy_on_points' if points else mask_only('sigmoid_focal_alpha_{}_gamma_{:g}'.format(
          getattr(losses, 'focal_alpha', None), getattr(losses, 'focal_gamma', 0))),
      'mask_loss_weight': mask_only(getattr(losses, 'mask_weight', None)),
      'dice_loss_weight': mask_only(getattr(losses, 'dice_weight', None)),
      'match_class_cost': mask_only(getattr(losses, 'cost_class', None)),
      'match_mask_cost': mask_only(getattr(losses, 'cost_mask', None)),
      'match_dice_cost': mask_only(getattr(losses, 'cost_dice', None)),
      'pixel_cross_entropy_weight': losses.weight if per_pixel else None,
      'train_short_edges': augmentation.short_edges or None,
      'train_long_edge_limit': augmentation.long_edge_limit or None,
      'scale_jitter_range': augmentation.scale_jitter or None,
      'crop_kind': 'fixed_size' if jitter else 'absolute' if fixed else 'absolute_range',
      'crop_size_height_width': train.output_size if fixed else None,
      'crop_side_range': augmentation.crop_side_range or None,
      'crop_pre_resize_short_edges': augmentation.crop_pre_short_edges or None,
      'crop_probability': 1.0 if fixed else augmentation.crop_probability,
      'ssd_color_augmentation': augmentation.color_jitter, 'flip_probability': augmentation.flip_probability,
      'train_pad_to': train.output_size if train.padding_byte >= 0 else None,
      'image_pad_value': train.padding_byte if train.padding_byte >= 0 else None,
      'test_short_edge': test.short_edges[0], 'test_long_edge_limit': test.long_edge_limit,
      'published_images_per_gpu': losses.images_per_normalizer,
      'batch_size': e.task.train_data.global_batch_size, 'max_iterations': e.trainer.train_steps,
      'schedule': rate.schedule, 'poly_power': rate.power if poly else None,
      'step_milestones': None if poly else rate.boundaries, 'step_factor': None if poly else rate.factor,
      'warmup_has_effect': bool(rate.warmup_steps),
      'base_learning_rate': rate.base, 'backbone_learning_rate_multiplier': optimizer.backbone_multiplier,
      'weight_decay': optimizer.weight_decay, 'gradient_clip_global_norm': optimizer.gradient_clip_norm,
      'object_mask_threshold': task.evaluation.object_mask_threshold if panoptic else None,
      'overlap_threshold': task.evaluation.overlap_threshold if panoptic else None,
      'loss_points': losses.points if points else None,
      'point_oversample_ratio': losses.oversample_ratio if points else None,
      'point_importance_ratio': losses.importance_ratio if points else None,
      'pixel_decoder_deformable_points': model.pixel_decoder.encoder_points if points else None,
      'evaluation_period_iterations': (
          0 if e.trainer.validation_interval == e.trainer.train_steps else e.trainer.validation_interval)}


@pytest.mark.parametrize('name', table.PUBLISHED)
def test_every_field(name):
  wanted = recipes.published()[name]
  found = fields(name)
  if name.startswith('mask2former_ade20k_instance'):  # these leave all answers on, and only AP is scored
    wanted = {**wanted, 'object_mask_threshold': None, 'overlap_threshold': None}
  differences = {key: (value, wanted[key]) for key, value in found.items() if value != wanted[key]}
  assert not differences
  assert len(found) > 60


@pytest.mark.parametrize('name', table.PUBLISHED)
def test_what_is_not_a_plain_field(name):
  wanted = recipes.published()[name]
  e = published.build(name)
  row = table.PUBLISHED[name]
  assert row.source == wanted['id']
  published_score = wanted['published_scores'][0]
  assert row.score == published_score['value']
  assert row.expected == f"{published_score['metric']} {published_score['value']}"
  assert row.metric == RESULTS[published_score['metric']]
  assert e.trainer.best_checkpoint_eval_metric == row.metric
  rate, evaluation = e.trainer.optimizer_config.learning_rate, e.task.evaluation
  if wanted['warmup_has_effect']:
    assert (rate.warmup_steps, rate.warmup_factor) == (wanted['warmup_iterations'], wanted['warmup_start_factor'])
  evaluators = ' '.join(wanted['evaluators'])
  assert evaluation.semantic == ('SemSeg' in evaluators) and evaluation.panoptic == ('Panoptic' in evaluators)
  assert evaluation.instance == any(word in evaluators for word in ('COCOEvaluator', 'Instance'))
  assert evaluation.confident_pixels_only == (wanted['model'] == 'mask2former' and evaluation.panoptic)
  # Targets that a crop removed stay but in two mappers, and only semantic labels use the older nearest rule.
  assert e.task.train_data.parser.drop_vanished_segments == (
      wanted['mapper'] in ('mask_former_semantic', 'coco_instance_lsj'))
  assert e.task.train_data.parser.merge_classes == ('semantic' in name) == e.task.validation_data.parser.merge_classes
  assert e.task.train_data.parser.augmentation.legacy_nearest == (wanted['mapper'] == 'mask_former_semantic')
  # No GPU padded an image to another; windows of one size need no parts.
  window = e.task.train_data.parser.output_size
  assert e.task.micro_batch_size == (0 if window else wanted['published_images_per_gpu'])
  assert (table.PUBLISHED[name].precision == 'float16 AMP') == wanted['mixed_precision_float16']
  # The official recipes have no limit; 255 is what bytes can count.
  many = wanted['dataset'].startswith(('mapillary', 'ade20k')) and wanted['task'] != 'semantic'
  assert e.task.train_data.parser.max_segments == (255 if many else 128)
  if e.task.model.which_pixel_decoder != 'fpn':
    c = e.task.model.pixel_decoder
    assert (c.encoder_layers, c.encoder_feedforward, c.encoder_dropout) == tuple(
        wanted[f'pixel_decoder_encoder_{key}'] for key in ('layers', 'feedforward', 'dropout'))


def test_no_published_row_is_missing():
  assert set(table.PUBLISHED) == set(recipes.published())


@pytest.mark.parametrize('name', ['maskformer_ade20k_semantic_swin_large', 'per_pixel_plus_coco_stuff10k_semantic'])
def test_save_and_load(name, tmp_path):
  e = published.build(name)
  (tmp_path / 'params.json').write_text(json.dumps(e.as_dict()))
  again = published.build(name)
  overrides.apply(again, 'trainer.train_steps=3,task.model.num_queries=7')
  overrides.apply_file(again, str(tmp_path / 'params.json'))
  assert again.as_dict() == e.as_dict()
