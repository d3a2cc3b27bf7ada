"""Typed changes of an experiment, from text and files."""

import json

import pytest
import yaml
from official.modeling import hyperparams

from tf_maskformer.configs import overrides
from tf_maskformer.configs.experiments import published
from tf_maskformer.configs.experiments import shapes
from tf_maskformer.errors import UserError

RATE = 'trainer.optimizer_config.learning_rate'


def _coco():
  return published.build('maskformer_coco_panoptic')


def _error(text, experiment=None):
  with pytest.raises(UserError) as error:
    overrides.apply(experiment or _coco(), text)
  assert '\n' not in str(error.value)
  return str(error.value)


def test_each_kind_of_field():
  experiment = _coco()
  overrides.apply(experiment, (
      f'trainer.train_steps=300,{RATE}.base=1e-3,{RATE}.boundaries=[100,200],'
      'task.model.deep_supervision=false,task.model.which_pixel_decoder=fpn,'
      'runtime.jit_compile=True,'
      "task.train_data.input_path='a*,b*',task.validation_data.input_path=/x/val*,runtime.tpu=off,"
      'runtime.all_reduce_alg=None,task.train_data.parser.output_size=[64,96]'))
  task = experiment.task
  trainer = experiment.trainer
  assert trainer.train_steps == 300 and isinstance(trainer.train_steps, int)
  assert trainer.optimizer_config.learning_rate.base == 1e-3
  assert trainer.optimizer_config.learning_rate.boundaries == [100, 200]
  assert task.model.deep_supervision is False and experiment.runtime.jit_compile is True
  assert task.train_data.input_path == 'a*,b*' and task.validation_data.input_path == '/x/val*'
  assert experiment.runtime.tpu == 'off'  # a word, not False
  assert experiment.runtime.all_reduce_alg is None
  assert task.train_data.parser.output_size == [64, 96]


def test_list_becomes_empty_and_grows():
  experiment = _coco()
  overrides.apply(experiment, f"{RATE}.boundaries=[],task.init_checkpoint=''")
  assert experiment.trainer.optimizer_config.learning_rate.boundaries == []
  overrides.apply(experiment, f'{RATE}.boundaries=[5,6,7]')
  assert experiment.trainer.optimizer_config.learning_rate.boundaries == [5, 6, 7]


# The Model Garden's own runner accepts each of these silently.
@pytest.mark.parametrize('text, parts', [
    ('trainer.train_steps=abc', ['trainer.train_steps', 'a whole number', "'abc'"]),
    ('trainer.train_steps=10.5', ['trainer.train_steps', 'a whole number', "'10.5'"]),
    ('trainer.train_steps=-5', ['trainer.train_steps', 'at least 1', '-5']),
    ('trainer.train_steps=1_000', ['a whole number']),
    ('trainer.train_steps=True', ['a whole number']),
    ('task.model.deep_supervision=maybe', ['deep_supervision', 'True or False', "'maybe'"]),
    ('task.init_checkpoint=None', ['task.init_checkpoint', 'text', "''"]),
    ('task.train_data.parser.output_size=5', ['output_size', 'a list', 'a whole number', "'5'"]),
    ('task.train_data.parser.output_size=[a]', ['output_size', 'a list']),
    ('task.train_data.parser.output_size=[0,4]', ['output_size', 'at least 1']),
    (f'{RATE}.base=nan', ['base', 'a number']),
    (f'{RATE}.base=inf', ['base', 'a number']),
    (f'{RATE}.base=-1', ['base', 'below 0']),
    (f'{RATE}.base=None', ['base', 'a number', 'None']),
    (f'{RATE}.schedule=cosine', ['schedule', "'cosine'", 'multi_step']),
    ('task.model.which_pixel_decoder=transformer_fpm', ['did you mean transformer_fpn']),
    ('task.model.backbone.type=resnit', ['did you mean resnet']),
    ('task.model.backbone.resnet.depth=51', ['51', '50']),
    ('task.model.pixel_decoder.norm=groups', ['did you mean group']),
    ('task.losses.matcher=hots', ['did you mean host']),
    ('runtime.mixed_precision_dtype=float61', ['did you mean', 'float16']),
    ('runtime.distribution_strategy=mirored', ['did you mean mirrored']),
    ('task.data_set=coco_panoptc', ['did you mean coco_panoptic']),
    ('task.train_data.parser.augmentation.flip_probability=1.5', ['0 .. 1', '1.5']),
    ('task.model=fpn', ['task.model', 'is a group', 'num_queries']),
    ('task.model.num_queries.x=3', ['num_queries', 'no fields below']),
])
def test_wrong_values(text, parts):
  message = _error(text)
  for part in parts:
    assert part in message, message


@pytest.mark.parametrize('key, nearest', [
    ('task.model.num_querys', 'task.model.num_queries'),
    ('trainer.train_step', 'trainer.train_steps'),
    ('global_batch_size', 'task.train_data.global_batch_size'),
    ('trainer.num_queries', 'task.model.num_queries'),
    ('tusk.model.num_queries', 'task.model.num_queries'),
    ('task.modle.num_querys', 'task.model.num_queries'),
    ('task.model.pixel_decoder.hieght.x', 'exist'),
    ('runtime.zzzz', 'runtime has'),
])
def test_unknown_keys_name_the_nearest(key, nearest):
  message = _error(f'{key}=3')
  assert f'{key} does not exist' in message and nearest in message


def test_a_mistake_changes_nothing():
  experiment = _coco()
  before = experiment.as_dict()
  _error('trainer.train_steps=3,trainer.nothing=4', experiment)
  assert experiment.as_dict() == before


def test_every_field_takes_its_own_value_back(tmp_path):
  experiment = _coco()
  path = tmp_path / 'params.yaml'
  path.write_text(yaml.safe_dump(experiment.as_dict()))
  again = shapes.shapes_panoptic()
  overrides.apply_file(again, str(path))
  assert again.as_dict() == experiment.as_dict()


def test_files(tmp_path):
  (tmp_path / 'a.yaml').write_text(
      'task:\n  model: {num_queries: 7}\ntrainer.optimizer_config.learning_rate.base: 1e-5\n')
  (tmp_path / 'b.json').write_text(json.dumps({'runtime': {'num_gpus': 2}}))
  experiment = _coco()
  overrides.apply_file(experiment, str(tmp_path / 'a.yaml'))
  overrides.apply(experiment, str(tmp_path / 'b.json'))
  assert experiment.task.model.num_queries == 7
  assert experiment.trainer.optimizer_config.learning_rate.base == 1e-5
  assert experiment.runtime.num_gpus == 2


@pytest.mark.parametrize('name, text, parts', [
    ('a.yaml', '', ['is empty']),
    ('a.yaml', '3', ['no settings']),
    ('a.yaml', 'a: [', ['line', 'not YAML']),
    ('a.json', '{"a": }', ['line 1', 'not JSON']),
    ('a.yaml', 'runtime: {tpu: off}', ['runtime.tpu', 'text', 'False']),
    ('a.yaml', 'trainer: {train_steps: 10.5}', ['train_steps', 'a whole number', '10.5']),
    ('a.yaml', 'trainer: {train_steps: yes}', ['train_steps', 'a whole number', 'True']),
    ('a.yaml', 'trainer: {train_stops: 1}',
     ['a.yaml', 'train_stops', 'did you mean trainer.train_steps']),
    ('a.yaml', 'trainer: 3', ['trainer', 'is a group']),
    ('a.yaml', 'task: {model: null}', ['task.model', 'is a group']),
    ('a.txt', 'a: 1', ['ending', '.yaml']),
])
def test_bad_files(tmp_path, name, text, parts):
  (tmp_path / name).write_text(text)
  with pytest.raises(UserError) as error:
    overrides.apply_file(_coco(), str(tmp_path / name))
  assert '\n' not in str(error.value)
  for part in parts:
    assert part in str(error.value)


def test_missing_file():
  with pytest.raises(UserError, match=r'/nowhere/x.yaml cannot be read'):
    overrides.apply(_coco(), '/nowhere/x.yaml')


def test_keys_are_the_leaves():
  experiment = _coco()
  found = list(overrides.keys(experiment))
  assert len(found) == len(set(found)) > 100
  for key in found:
    value = experiment
    for name in key.split('.'):
      value = getattr(value, name)
    assert not isinstance(value, hyperparams.Config)
