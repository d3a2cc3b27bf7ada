"""Every registered experiment against its published recipe, field by field."""

import json

import pytest

from tests.configs.experiments import facts
from tests.configs.experiments import recipes
from tf_maskformer.configs import overrides
from tf_maskformer.configs.experiments import published
from tf_maskformer.configs.experiments import table

RESULTS = {'PQ': 'pq_all', 'mIoU': 'miou', 'AP': 'ap'}  # what evaluations call a score

each_experiment = pytest.mark.parametrize('name', table.PUBLISHED)


@each_experiment
def test_every_field(name):
  wanted = recipes.published()[name]
  experiment = published.build(name)
  experiment.task.resolve()
  found = facts.of(experiment)
  if name.startswith('mask2former_ade20k_instance'):
    # These leave all kinds of predictions on, but only AP is scored.
    wanted = {**wanted, 'object_mask_threshold': None, 'overlap_threshold': None}
  differences = {
      key: (value, wanted[key]) for key, value in found.items() if value != wanted[key]}
  assert not differences
  assert len(found) > 60


@each_experiment
def test_row(name):
  wanted = recipes.published()[name]
  row = table.PUBLISHED[name]
  assert row.source == wanted['id']
  score = wanted['published_scores'][0]
  assert row.score == score['value']
  assert row.expected == f"{score['metric']} {score['value']}"
  assert row.metric == RESULTS[score['metric']]
  assert row.schedule == f"{wanted['batch_size']} x {wanted['max_iterations']}"
  assert (row.precision == 'float16 AMP') == wanted['mixed_precision_float16']


@each_experiment
def test_scores(name):
  wanted = recipes.published()[name]
  experiment = published.build(name)
  evaluation = experiment.task.evaluation
  evaluators = ' '.join(wanted['evaluators'])
  assert evaluation.semantic == ('SemSeg' in evaluators)
  assert evaluation.panoptic == ('Panoptic' in evaluators)
  assert evaluation.instance == any(
      word in evaluators for word in ('COCOEvaluator', 'Instance'))
  is_mask2former = wanted['model'] == 'mask2former'
  assert evaluation.confident_pixels_only == (is_mask2former and evaluation.panoptic)
  metric = wanted['published_scores'][0]['metric']
  assert experiment.trainer.best_checkpoint_eval_metric == RESULTS[metric]


@each_experiment
def test_targets(name):
  wanted = recipes.published()[name]
  task = published.build(name).task
  train = task.train_data.parser
  is_semantic = 'semantic' in name
  # Only two mappers drop targets that a crop removed, and only semantic labels use the older
  # nearest rule.
  assert train.drop_vanished_segments == (
      wanted['mapper'] in ('mask_former_semantic', 'coco_instance_lsj'))
  assert train.augmentation.legacy_nearest == (wanted['mapper'] == 'mask_former_semantic')
  assert train.merge_classes == is_semantic
  assert task.validation_data.parser.merge_classes == is_semantic
  # The official training padded no image to another on its GPU; windows of one size need no parts.
  images_per_gpu = wanted['published_images_per_gpu']
  assert task.micro_batch_size == (0 if train.output_size else images_per_gpu)
  # The official recipes have no limit; an id map of bytes can hold 255 segments.
  has_many = wanted['dataset'].startswith(('mapillary', 'ade20k'))
  assert train.max_segments == (255 if has_many and wanted['task'] != 'semantic' else 128)


@each_experiment
def test_what_only_some_have(name):
  wanted = recipes.published()[name]
  experiment = published.build(name)
  rate = experiment.trainer.optimizer_config.learning_rate
  model = experiment.task.model
  if wanted['warmup_has_effect']:
    assert rate.warmup_steps == wanted['warmup_iterations']
    assert rate.warmup_factor == wanted['warmup_start_factor']
  if model.which_pixel_decoder != 'fpn':
    decoder = model.pixel_decoder
    assert decoder.encoder_layers == wanted['pixel_decoder_encoder_layers']
    assert decoder.encoder_feedforward == wanted['pixel_decoder_encoder_feedforward']
    assert decoder.encoder_dropout == wanted['pixel_decoder_encoder_dropout']


def test_no_published_row_is_missing():
  assert set(table.PUBLISHED) == set(recipes.published())


@pytest.mark.parametrize('name', [
    'maskformer_ade20k_semantic_swin_large', 'per_pixel_plus_coco_stuff10k_semantic'])
def test_save_and_load(name, tmp_path):
  e = published.build(name)
  (tmp_path / 'params.json').write_text(json.dumps(e.as_dict()))
  again = published.build(name)
  overrides.apply(again, 'trainer.train_steps=3,task.model.num_queries=7')
  overrides.apply_file(again, str(tmp_path / 'params.json'))
  assert again.as_dict() == e.as_dict()
