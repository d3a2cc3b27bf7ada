"""The per-pixel and the semantic task through the whole trainer, on the embedded data set."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.records import shapes_records
from tests.tasks import small_per_pixel
from tf_maskformer.configs import rules
from tf_maskformer.configs.experiments import registry
from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.errors import UserError
from tf_maskformer.tasks.factory import build_task
from tf_maskformer.training import runner

NAME = 'maskformer_shapes_panoptic'


@pytest.fixture(scope='module', name='records')
def convert(tmp_path_factory):
  return shapes_records(tmp_path_factory.mktemp, 6, 3)


def experiment(records, predictor):
  e = registry.get(NAME)
  if predictor != 'maskformer':
    e.task = small_per_pixel.task_like(e.task, plus=predictor == 'per_pixel_plus')
  e.task.evaluation.panoptic, e.task.evaluation.semantic = False, True
  e.trainer.best_checkpoint_eval_metric = 'miou'
  for data, split in ((e.task.train_data, 'train'), (e.task.validation_data, 'val')):
    data.input_path, data.global_batch_size = f'{records}/{split}*', 2
    data.parser.output_size = [64, 64]
  e.task.train_data.parser.padding_byte = 128
  augmentation = e.task.train_data.parser.augmentation
  augmentation.short_edges, augmentation.crop_to_output = [48, 80], True
  augmentation.color_jitter = augmentation.legacy_nearest = True
  e.task.model.pixel_decoder.width = e.task.model.pixel_decoder.mask_width = 32
  if predictor != 'per_pixel':
    e.task.model.transformer_decoder.layers = 2
  e.trainer.train_steps = e.trainer.steps_per_loop = e.trainer.checkpoint_interval = 3
  rules.validate(e)
  return e


@pytest.mark.parametrize('predictor', [
    'per_pixel', pytest.param('maskformer', marks=pytest.mark.slow),
    pytest.param('per_pixel_plus', marks=pytest.mark.slow)])
def test_train_and_evaluate(records, predictor, tmp_path, capsys):
  e = experiment(records, predictor)
  assert runner.run(e, NAME, 'train_and_eval', str(tmp_path), build_task) == 0
  scores = json.loads((tmp_path / 'evaluations/step_00000003.json').read_text())
  assert scores['images'] == 3 and 0 <= scores['metrics']['miou'] <= 100
  assert np.isfinite(scores['metrics']['validation_loss']) and 'pq_all' not in scores['metrics']
  printed = capsys.readouterr().out
  assert 'mIoU' in printed and ('class_loss' in printed) == (predictor == 'maskformer')


def test_the_score_and_loss_do_not_depend_on_the_batch(records, tmp_path):
  found = []
  for batch in (1, 3):
    e = experiment(records, 'per_pixel')
    e.task.validation_data.global_batch_size = batch
    (tmp_path / str(batch)).mkdir()
    runner.run(e, NAME, 'eval', str(tmp_path / str(batch)), build_task, allow_random_weights=True)
    text = (tmp_path / f'{batch}/evaluations/step_00000000.json').read_text()
    found.append(json.loads(text)['metrics'])
  for key, value in found[0].items():
    np.testing.assert_allclose(found[1][key], value, rtol=1e-4, err_msg=key)


def test_the_loss_is_a_mean_over_pixels(records):
  task = build_task(experiment(records, 'per_pixel').task)
  rng = np.random.default_rng(0)
  outputs = {'mask_logits': tf.constant(rng.normal(size=[1, 2, 7, 8, 8]).astype(np.float32))}
  id_maps = rng.integers(0, 3, [2, 1, 32, 32]).astype(np.uint8)
  targets = {'id_maps': tf.constant(id_maps), 'classes': tf.constant([[1, 5], [0, 6]]),
             'valid': tf.ones([2, 2], tf.bool)}
  total, logs = task.losses(outputs, targets, task.normalizers(targets))
  of_images = task.losses_of_images(outputs, targets)
  counts = (id_maps > 0).sum((1, 2, 3))
  np.testing.assert_allclose(total, (of_images * counts).numpy().sum() / counts.sum(), rtol=1e-5)
  assert set(logs) == set(task.loss_names())


def test_contradictions(records):
  e = experiment(records, 'per_pixel')
  e.task.model = MaskFormer()
  with pytest.raises(UserError, match='MaskFormer, which is not a model of this experiment'):
    rules.validate(e)
  e = experiment(records, 'per_pixel')
  e.task.evaluation.panoptic = True
  with pytest.raises(UserError, match='predicts classes only'):
    rules.validate(e)
  e = experiment(records, 'per_pixel_plus')
  e.task.model.num_queries = 9
  with pytest.raises(UserError, match='a query for each class'):
    rules.validate(e)
