"""What a machine's memory cannot hold is refused; what published recipes need is not."""

import pytest

from tf_maskformer.configs import overrides
from tf_maskformer.configs.experiments import registry
from tf_maskformer.configs.experiments import table
from tf_maskformer.errors import UserError
from tf_maskformer.training import memory

GB = 10**9
SHAPES = 'maskformer_shapes_panoptic'


def _experiment(name=SHAPES, text=''):
  experiment = registry.get(name)
  experiment.task.resolve()
  if text:
    overrides.apply(experiment, text)
  return experiment


def test_bytes_of_a_batch():
  data = _experiment(text='task.train_data.parser.output_size=[10,20]').task.train_data
  assert memory.batch_bytes(data) == 16 * 10 * 20 * (3 + 1)
  data.parser.max_segments = 256
  data.parser.max_layers = 3
  assert memory.batch_bytes(data) == 16 * 10 * 20 * (3 + 3 * 2)
  data.parser.output_size = []
  assert memory.batch_bytes(data) == 0  # of the records' own sizes
  data.parser.augmentation.short_edges = [10, 30]
  assert memory.batch_bytes(data) == 16 * 10 * 10 * (3 + 3 * 2) + 12 * 30 * 30


def test_workers_share_a_batch(monkeypatch):
  data = _experiment(text='task.train_data.parser.output_size=[10,20]').task.train_data
  assert memory.batch_bytes(data, num_workers=4) == 4 * 10 * 20 * (3 + 1)
  assert memory.batch_bytes(data, num_workers=32) == 1 * 10 * 20 * (3 + 1)
  monkeypatch.setattr(memory, 'of_machine', lambda: 16 * GB)
  large = _experiment(text='task.train_data.global_batch_size=65536')
  memory.check(large, trains=True, evaluates=True, num_gpus=0, num_workers=4096)


def test_what_cannot_fit_is_refused(monkeypatch):
  monkeypatch.setattr(memory, 'of_machine', lambda: 16 * GB)
  for name, text in (
      ('train_data', 'task.train_data.parser.output_size=[30000,30000]'),
      ('train_data', 'task.train_data.global_batch_size=65536'),
      ('train_data', 'task.model.num_queries=65536'),
      ('train_data', 'task.model.transformer_decoder.hidden=16384'),
      ('validation_data', 'task.validation_data.parser.output_size=[30000,30000]')):
    with pytest.raises(UserError, match=f'a step on task.{name} needs .* 16 GB; lower'):
      memory.check(_experiment(text=text), trains=True, evaluates=True, num_gpus=0)


def test_what_a_mode_does_not_read_is_not_looked_at(monkeypatch):
  monkeypatch.setattr(memory, 'of_machine', lambda: 16 * GB)
  large = _experiment(text='task.train_data.global_batch_size=65536')
  memory.check(large, trains=False, evaluates=True, num_gpus=0)


def test_micro_batches_pass_one_after_another(monkeypatch):
  monkeypatch.setattr(memory, 'of_machine', lambda: 16 * GB)
  text = 'task.train_data.global_batch_size=32768'
  with pytest.raises(UserError):
    memory.check(_experiment(text=text), trains=True, evaluates=False, num_gpus=0)
  memory.check(
      _experiment(text=f'{text},task.micro_batch_size=1'), trains=True, evaluates=False, num_gpus=0)


@pytest.mark.parametrize('name', sorted(set(table.ROWS) - set(table.CUSTOM)))
def test_published_recipes_fit_where_they_were_trained(name, monkeypatch):
  monkeypatch.setattr(memory, 'of_machine', lambda: 256 * GB)
  memory.check(_experiment(name), trains=True, evaluates=True, num_gpus=8)
  # On one large machine without a GPU, too: the estimate is a lower bound.
  memory.check(_experiment(name), trains=True, evaluates=True, num_gpus=0)


def test_this_machine_has_memory():
  assert 2**28 < memory.of_machine() < 2**50
