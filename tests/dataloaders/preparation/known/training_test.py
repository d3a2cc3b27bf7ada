"""A few steps of training on records of each known data set, and their scores."""

import json

import numpy as np
import pytest

from tests.dataloaders.preparation.known import known_test
from tf_maskformer.configs import rules
from tf_maskformer.configs.experiments import registry
from tf_maskformer.tasks.factory import build_task
from tf_maskformer.training import runner

NAME = 'mask2former_shapes_panoptic'
METRICS = {'panoptic': {'pq_all', 'miou', 'ap'}, 'semantic': {'miou'}, 'instance': {'ap'}}


def experiment(records, data_set, task, planes):
  e = registry.get(NAME)
  e.task.data_set = data_set
  for data, split in ((e.task.train_data, 'train'), (e.task.validation_data, 'val')):
    data.input_path = f'{records}/{split}*'
    data.global_batch_size = 1
    data.parser.output_size = [64, 64]
    data.parser.merge_classes = task == 'semantic'
    data.parser.max_layers = planes
  e.task.model.pixel_decoder.width = e.task.model.pixel_decoder.mask_width = 32
  e.task.model.backbone.resnet.norm = 'group'
  e.task.model.transformer_decoder.layers = 2
  e.task.losses.points = 128
  e.task.evaluation.panoptic = task == 'panoptic'
  e.task.evaluation.semantic = task in ('panoptic', 'semantic')
  e.task.evaluation.instance = task in ('panoptic', 'instance')
  e.trainer.best_checkpoint_eval_metric = sorted(METRICS[task])[0]
  e.trainer.train_steps = e.trainer.steps_per_loop = e.trainer.checkpoint_interval = 2
  e.task.resolve()
  rules.validate(e)
  return e


@pytest.mark.slow
@pytest.mark.parametrize('layout, task', [(layout, task) for layout, task, _ in known_test.CASES])
def test_train_and_evaluate(layout, task, tmp_path):
  known_test.draw(layout, task, tmp_path)
  row = known_test.prepare(layout, task, tmp_path)
  e = experiment(tmp_path / 'records', row.name, task, planes=2 if task == 'instance' else 1)
  run = tmp_path / 'run'
  run.mkdir()
  assert runner.run(e, NAME, 'train_and_eval', str(run), build_task) == 0
  scores = json.loads((run / 'evaluations/step_00000002.json').read_text())
  assert scores['images'] == 2
  assert METRICS[task] <= set(scores['metrics'])
  assert np.isfinite(scores['metrics']['validation_loss'])
