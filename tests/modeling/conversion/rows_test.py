"""Rows of classes and queries: the file's bit by bit where they are known, initial elsewhere."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.modeling import tiny
from tests.modeling import tiny_m2f
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import exports
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.conversion import restore
from tf_maskformer.modeling.conversion import rows
from tf_maskformer.modeling.factory import build_model

PREDICTOR = 'sem_seg_head.predictor.'
OLD = [('person',), ('car',), ('traffic light',), ('dog',), ('sky',), ('road, route',), ('tree',)]
NEW = [('mast',), ('Road',), ('Dog',), ('Traffic_Light',)]
KEPT = {1: 5, 2: 3, 3: 2}  # from the row of NEW to that of OLD
BY_NAME = rows.Rules('by_name', source=OLD, target=NEW)
# By family: the configuration, tensors with a row per class, tensors with a row per query.
FAMILIES = {
    'maskformer': (
        tiny.config, ['class_embed.bias', 'class_embed.weight'], ['query_embed.weight']),
    'mask2former': (
        tiny_m2f.config, ['class_embed.bias', 'class_embed.weight'],
        ['query_embed.weight', 'query_feat.weight']),
    'per_pixel': (tiny.per_pixel_config, ['bias', 'weight'], []),
    'per_pixel_plus': (tiny.plus_config, ['query_embed.weight'], []),
}


def config_of(family, num_classes):
  config = FAMILIES[family][0]()
  config.num_classes = num_classes
  if family == 'per_pixel_plus':
    config.num_queries = num_classes
  return config


def values(model):
  return {n: e.to_official().copy() for n, e in names.entries(model).items()}


def save(model, folder, kind):
  if kind == 'tensorflow':
    return tf.train.Checkpoint(model=model).write(str(folder / 'ckpt'))
  path = str(folder / f'model.{kind}')
  exports.write(exports.official_state(model, None), path)
  return path


def same(a, b):
  return a.tobytes() == b.tobytes()


@pytest.mark.parametrize('kind', ['tensorflow', 'pkl', 'safetensors'])
@pytest.mark.parametrize('family', FAMILIES)
def test_by_name(tmp_path, family, kind):
  source = build_model(config_of(family, 7), seed=1)
  model = build_model(config_of(family, 4), seed=2)
  wanted = values(source)
  before = values(model)
  report = restore.restore(model, save(source, tmp_path, kind), rules=BY_NAME)
  class_tensors = [PREDICTOR + name for name in FAMILIES[family][1]]
  for name, value in values(model).items():
    if name not in class_tensors:
      assert same(value, wanted[name]), name
      continue
    for row, source_row in KEPT.items():
      assert same(value[row], wanted[name][source_row]), (name, row)
    assert same(value[0], before[name][0]), name
    has_no_object = len(value) == 5
    assert has_no_object == (family in ('maskformer', 'mask2former'))
    if has_no_object:
      assert same(value[4], wanted[name][7]), name
  assert report.partial == class_tensors and not report.missing
  assert len(report.restored) + len(report.partial) == len(before)
  text = str(report)
  assert f'{len(class_tensors)} in part' in text
  assert '3 of 4 keep their rows' in text and "4 of the file's 7 are not used" in text
  assert 'classes kept: Road, Dog, Traffic_Light' in text and 'classes new: mast' in text
  assert ('no-object' in text) == (family in ('maskformer', 'mask2former'))


@pytest.mark.parametrize('family', FAMILIES)
def test_all_names_in_another_order_fill_everything(tmp_path, family):
  source = build_model(config_of(family, 7), seed=1)
  model = build_model(config_of(family, 7), seed=2)
  rules = rows.Rules('by_name', source=OLD, target=OLD[::-1])
  report = restore.restore(model, save(source, tmp_path, 'pkl'), rules=rules)
  assert not report.partial and not report.missing and 'classes new' not in str(report)
  for name in FAMILIES[family][1]:
    wanted = values(source)[PREDICTOR + name]
    found = values(model)[PREDICTOR + name]
    assert same(found[:7], np.ascontiguousarray(wanted[:7][::-1])) and same(found[7:], wanted[7:])


@pytest.mark.parametrize('num_classes', [7, 4])
@pytest.mark.parametrize('family', FAMILIES)
def test_new(tmp_path, family, num_classes):
  """Also where the number is the same, and where the file has no class head at all."""
  source = build_model(config_of(family, 7), seed=1)
  model = build_model(config_of(family, num_classes), seed=2)
  before = values(model)
  report = restore.restore(model, save(source, tmp_path, 'pkl'), rules=rows.Rules('new'))
  wanted = values(source)
  class_tensors = [PREDICTOR + name for name in FAMILIES[family][1]]
  for name, value in values(model).items():
    assert same(value, before[name] if name in class_tensors else wanted[name]), name
  assert report.missing == report.new_classes == class_tensors and not report.partial
  assert f'classes: {class_tensors[0]}' in str(report)

  state = {n: a for n, a in exports.official_state(source, None).items() if n not in class_tensors}
  headless = str(tmp_path / 'headless.pkl')
  exports.write(state, headless)
  assert restore.restore(model, headless, rules=rows.Rules('new')).missing == class_tensors
  with pytest.raises(UserError, match='does not have'):
    restore.restore(model, headless, rules=rows.Rules('by_count'))


def test_by_count_and_strict(tmp_path):
  source = build_model(config_of('maskformer', 7), seed=1)
  path = save(source, tmp_path, 'pkl')
  model = build_model(config_of('maskformer', 7), seed=2)
  assert not restore.restore(model, path, rules=rows.Rules('by_count')).missing
  other = build_model(config_of('maskformer', 4), seed=2)
  assert len(restore.restore(other, path, rules=rows.Rules('by_count')).missing) == 2
  with pytest.raises(UserError, match="does not fit .* task.init_classes='by_name' or 'new'"):
    restore.restore(other, path, rules=rows.Rules('strict'))
  with pytest.raises(UserError, match='does not fit') as error:
    restore.restore(other, path)
  assert 'init_classes' not in str(error.value)


@pytest.mark.parametrize('rules, words', [
    (rows.Rules('by_name', target=NEW),
     'does not say the names of its 7 classes; name the data set .*task.init_data_set .*; '
     'shapes_panoptic has 7 classes'),
    (rows.Rules('by_name', source=OLD[:6], target=NEW),
     'has 7 classes in .* and the names of its classes are 6'),
])
def test_names_that_do_not_fit_the_file_change_nothing(tmp_path, rules, words):
  path = save(build_model(config_of('maskformer', 7), seed=1), tmp_path, 'pkl')
  model = build_model(config_of('maskformer', 4), seed=2)
  before = values(model)
  with pytest.raises(UserError, match=words):
    restore.restore(model, path, rules=rules)
  assert all(same(value, before[name]) for name, value in values(model).items())


def test_no_name_in_common_is_remarked(tmp_path):
  path = save(build_model(config_of('maskformer', 7), seed=1), tmp_path, 'pkl')
  rules = rows.Rules('by_name', source=OLD, target=[('a',), ('b',)])
  report = restore.restore(build_model(config_of('maskformer', 2), seed=2), path, rules=rules)
  assert '0 of 2 keep' in str(report) and 'is it the right one' in str(report)
  assert len(report.partial) == 2  # no-object


@pytest.mark.parametrize('rules', [BY_NAME, rows.Rules('new'), rows.Rules('by_count')])
def test_a_file_whose_class_head_is_not_a_table(tmp_path, rules):
  state = exports.official_state(build_model(config_of('maskformer', 7), seed=1), None)
  for name, value in (('bias', np.float32(3)), ('weight', np.zeros([8, 5], np.float32))):
    path = str(tmp_path / f'{name}.safetensors')
    exports.write({**state, f'{PREDICTOR}class_embed.{name}': np.array(value)}, path)
    model = build_model(config_of('maskformer', 4), seed=2)
    if rules.classes == 'new':
      assert restore.restore(model, path, rules=rules).missing
    else:
      with pytest.raises(UserError, match=f'does not fit the model .*class_embed.{name}'):
        restore.restore(model, path, rules=rules)


@pytest.mark.parametrize('kind', ['tensorflow', 'pkl', 'safetensors'])
@pytest.mark.parametrize('family', ['maskformer', 'mask2former'])
def test_more_queries(tmp_path, family, kind):
  config = config_of(family, 7)
  source = build_model(config, seed=1)
  path = save(source, tmp_path, kind)
  count = config.num_queries
  config.num_queries = count + 3
  model = build_model(config, seed=2)
  before = values(model)
  with pytest.raises(UserError, match="more queries .* task.init_queries='extend'"):
    restore.restore(model, path, rules=rows.Rules('by_count'))
  report = restore.restore(model, path, rules=rows.Rules('by_count', 'extend'))
  tensors = [PREDICTOR + name for name in FAMILIES[family][2]]
  wanted = values(source)
  for name, value in values(model).items():
    if name in tensors:
      assert same(value[:count], wanted[name]) and same(value[count:], before[name][count:])
    else:
      assert same(value, wanted[name]), name
  assert report.partial == tensors and not report.missing
  assert f'queries: {count} of {count + 3} are those of the file; initial values: 3' in str(report)


def test_queries_are_not_taken_away(tmp_path):
  config = config_of('mask2former', 7)
  path = save(build_model(config, seed=1), tmp_path, 'pkl')
  same_number = build_model(config, seed=2)
  assert not restore.restore(same_number, path, rules=rows.Rules(queries='extend')).partial
  config.num_queries = 5
  with pytest.raises(UserError, match='has 12 queries and the model 5; .*num_queries=12'):
    restore.restore(build_model(config, seed=2), path, rules=rows.Rules(queries='extend'))


def test_tensors_of_a_file_that_disagree_about_queries(tmp_path):
  config = config_of('mask2former', 7)
  state = exports.official_state(build_model(config, seed=1), None)
  for count in (12, 9):
    name = f'{PREDICTOR}query_feat.weight'
    path = str(tmp_path / f'{count}.safetensors')
    exports.write({**state, name: np.zeros([count, 64], np.float32)}, path)
    config.num_queries = 14 if count == 9 else 12
    state[f'{PREDICTOR}query_embed.weight'] = np.zeros([12, 64], np.float32)
    model = build_model(config, seed=2)
    if count == 12:
      restore.restore(model, path, rules=rows.Rules(queries='extend'))
    else:
      with pytest.raises(UserError, match='another number of queries'):
        restore.restore(model, path, rules=rows.Rules(queries='extend'))


def test_queries_of_per_pixel_plus_are_classes(tmp_path):
  path = save(build_model(config_of('per_pixel_plus', 7), seed=1), tmp_path, 'pkl')
  model = build_model(config_of('per_pixel_plus', 9), seed=2)
  with pytest.raises(UserError, match='does not fit'):
    restore.restore(model, path, rules=rows.Rules('strict', 'extend'))


def test_parts_without_the_class_head_need_no_names(tmp_path):
  path = save(build_model(config_of('maskformer', 7), seed=1), tmp_path, 'pkl')
  model = build_model(config_of('maskformer', 4), seed=2)
  rules = dataclasses.replace(BY_NAME, source=None)
  report = restore.restore(model, path, ('backbone', 'pixel_decoder'), rules)
  assert not report.partial and all(name.startswith(PREDICTOR) for name in report.missing)


def test_replicas_have_the_same_rows(tmp_path):
  source = build_model(config_of('maskformer', 7), seed=1)
  path = save(source, tmp_path, 'pkl')
  config = config_of('maskformer', 4)
  config.num_queries = 12
  strategy = tf.distribute.MirroredStrategy(['CPU:0'])
  with strategy.scope():
    model = build_model(config, seed=2)
  before = values(model)
  restore.restore(model, path, rules=dataclasses.replace(BY_NAME, queries='extend'))
  name = f'{PREDICTOR}class_embed.weight'
  found = values(model)[name]
  assert same(found[1], values(source)[name][5]) and same(found[0], before[name][0])
