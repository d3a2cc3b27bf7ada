"""From TensorFlow to the official names and back, bit by bit."""

import pickle

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

from tests import support
from tests.modeling import golden
from tests.modeling import tiny
from tests.modeling import tiny_swin
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import exports
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.conversion import pickles
from tf_maskformer.modeling.conversion import restore
from tf_maskformer.modeling.conversion import rows
from tf_maskformer.modeling.conversion import sources
from tf_maskformer.modeling.factory import build_model


def values(model):
  return {n: e.to_official() for n, e in names.entries(model).items()}


@pytest.mark.parametrize('ending', exports.ENDINGS)
@pytest.mark.parametrize('config', [tiny.config(), tiny.config(plain_fpn=True), tiny_swin.config()])
def test_round_trip_is_bit_equal(tmp_path, ending, config):
  model, again = build_model(config, seed=1), build_model(config, seed=2)
  path = str(tmp_path / f'model{ending}')
  exports.write(exports.official_state(model, 0.1), path)
  report = restore.restore(again, path)
  assert not report.missing and not report.reshaped
  wanted = values(model)
  for name, value in values(again).items():
    assert value.tobytes() == wanted[name].tobytes(), name
  assert [p.name for p in tmp_path.iterdir()] == [f'model{ending}']


def test_back_and_forth_from_a_released_file(tmp_path):
  path = golden.released_file('mf_tiny', tmp_path / 'model_final.pkl')
  with open(path, 'rb') as file:
    recorded = pickles.load('f', file)['model']
  model = build_model(tiny.config(), seed=1)
  restore.restore(model, path)
  exports.write(exports.official_state(model, 0.1), str(tmp_path / 'x.pkl'))
  with open(tmp_path / 'x.pkl', 'rb') as file:
    written = pickle.load(file)  # plain pickle, as detectron2 reads it
  # The official code runs under NumPy 1.
  assert b'numpy._core' not in (tmp_path / 'x.pkl').read_bytes()
  assert '__author__' in written and set(written['model']) == set(recorded)
  for name, value in recorded.items():
    np.testing.assert_array_equal(written['model'][name], value, err_msg=name)


def test_swin_constants_are_the_official_ones():
  recorded = np.load(support.golden('mf_swin_tiny/weights.npz'))
  state = exports.official_state(tiny_swin.model(), 0.1)
  assert set(state) - {'criterion.empty_weight'} == set(recorded) - {'criterion.empty_weight'}
  for name in recorded:
    if name in state:
      np.testing.assert_array_equal(state[name], recorded[name], err_msg=name)
  np.testing.assert_array_equal(state['criterion.empty_weight'], np.float32([1] * 7 + [0.1]))


def test_swin_files_of_both_kinds(tmp_path):
  model = tiny_swin.model()
  state = exports.official_state(model, 0.1)
  release = {n.removeprefix('backbone.'): a for n, a in state.items()
             if n.startswith('backbone.') and not n.startswith('backbone.norm')}
  release |= {'norm.weight': np.ones(128, np.float32), 'head.weight': np.ones([9, 128], np.float32),
              'layers.0.blocks.1.attn_mask': np.zeros([4, 49, 49], np.float32)}
  with open(tmp_path / 'swin.pkl', 'wb') as file:
    pickle.dump({'model': release}, file)
  again = build_model(tiny_swin.config(), seed=5)
  report = restore.restore(again, str(tmp_path / 'swin.pkl'), ('backbone',))
  assert report.kind == 'Swin release'
  assert sorted(n for n in report.missing if n.startswith('backbone')) == sorted(
      f'backbone.norm{i}.{leaf}' for i in range(4) for leaf in ('bias', 'weight'))
  found, wanted = (m.backbone.layers[2].blocks[1].attn.qkv.weight for m in (again, model))
  np.testing.assert_array_equal(found, wanted)


def test_another_ending(tmp_path):
  with pytest.raises(UserError, match=r'end in .pkl or .safetensors'):
    exports.write({}, str(tmp_path / 'x.pth'))
  assert not list(tmp_path.iterdir())


def msra(model):
  """A backbone's arrays as the MSRA file has them: its inverse, by hand."""
  norm = {
      'weight': 'bn_gamma', 'bias': 'bn_beta', 'running_mean': 'bn_running_mean',
      'running_var': 'bn_running_var'}
  branches = {'shortcut': 'branch1', 'conv1': 'branch2a', 'conv2': 'branch2b', 'conv3': 'branch2c'}
  result = {'conv1_b': np.zeros(8, np.float32), 'fc1000_w': np.zeros([9, 9], np.float32)}
  for name, value in values(model).items():
    parts = name.split('.')
    if parts[0] != 'backbone':
      continue
    leaf = norm[parts[-1]] if 'norm' in parts else 'w'
    if parts[1] != 'stem':
      target = f'{parts[1]}_{parts[2]}_{branches[parts[3]]}_{leaf}'
    elif leaf == 'w':
      target = 'conv1_w'
      value = value[:, ::-1] / np.array([57.375, 57.12, 58.395])[:, None, None]
    else:
      target = f'res_conv1_{leaf}'
    result[target] = np.asarray(value, np.float32)
  return result


def test_msra_file_is_turned_to_rgb_and_divided(tmp_path):
  model = tiny.model()
  with open(tmp_path / 'R-50.pkl', 'wb') as file:
    pickle.dump({'model': msra(model)}, file)
  again = build_model(tiny.config(), seed=5)
  report = restore.restore(again, str(tmp_path / 'R-50.pkl'), ('backbone',))
  assert report.kind == 'MSRA ResNet'
  images, _ = tiny.batch()
  np.testing.assert_allclose(again.backbone(images)['5'], model.backbone(images)['5'], atol=1e-4)


def write(path, tensors):
  safetensors.numpy.save_file(tensors, path)
  return str(path)


def test_swin_in_released_spelling(tmp_path):
  path = golden.released_file('mf_swin_tiny', tmp_path / 'model_final.pkl')
  model = build_model(tiny_swin.config(), seed=3)
  assert not restore.restore(model, path).missing
  for name, value in tiny_swin.model()(tiny_swin.batch()).items():
    np.testing.assert_array_equal(model(tiny_swin.batch())[name], value)


def test_what_is_wrong_with_a_file_is_said(tmp_path):
  good = exports.official_state(build_model(tiny.config(), seed=1), 0.1)
  weight = 'backbone.res2.0.conv1.weight'
  bias = good['sem_seg_head.pixel_decoder.mask_features.bias']
  cases = [
      ({**good, 'sem_seg_head.predictor.strange.weight': np.zeros(3, np.float32)}, 'no place for'),
      ({**good, 'optimizer.state': np.zeros(3, np.float32)}, 'unknown name: optimizer.state'),
      ({n: a for n, a in good.items() if 'class_embed' not in n}, 'does not have 2 of the'),
      ({**good, weight: good[weight].astype(np.int32)}, 'type int32'),
      ({**good, 'sem_seg_head.mask_features.bias': bias}, 'twice'),
      ({'a': np.zeros(3, np.float32)}, 'not hold a model that is known here; its first names: a'),
      ({**good, weight: good[weight][:, :-1]}, 'does not fit')]
  for tensors, words in cases:
    model = build_model(tiny.config(), seed=2)
    before = values(model)
    with pytest.raises(UserError, match=words):
      restore.restore(model, write(tmp_path / 'x.safetensors', tensors))
    for name, value in values(model).items():
      np.testing.assert_array_equal(value, before[name])


def test_half_precision_files_are_read_and_reported(tmp_path):
  good = exports.official_state(build_model(tiny.config(), seed=1), 0.1)
  half = {n: a.astype(np.float16) for n, a in good.items()}
  report = restore.restore(
      build_model(tiny.config(), seed=2), write(tmp_path / 'x.safetensors', half))
  assert len(report.reshaped) == len(report.restored) and 'reshaped: ' in str(report)


@pytest.mark.parametrize('damage', [
    lambda data: data[:100], lambda data: data[:-5], lambda data: b'\xff' * 8 + data[8:],
    lambda data: data.replace(b'"F32"', b'"F99"', 1), lambda data: data.replace(b'[0,', b'[9,', 1)])
def test_damaged_safetensors(tmp_path, damage):
  path = tmp_path / 'x.safetensors'
  write(path, {'backbone.a': np.arange(50, dtype=np.float32)})
  path.write_bytes(damage(path.read_bytes()))
  with pytest.raises(UserError, match='cannot be read as safetensors'):
    sources.read(str(path))


def test_bfloat16_safetensors(tmp_path):
  import ml_dtypes
  values_ = np.arange(6, dtype=np.float32).astype(ml_dtypes.bfloat16)
  tensors = {'backbone.stem.conv1.weight': values_, 'sem_seg_head.predictor.a': values_}
  found = sources.read(write(tmp_path / 'x.safetensors', tensors)).arrays
  np.testing.assert_array_equal(
      found['backbone.stem.conv1.weight'], np.arange(6, dtype=np.float32))


def test_h5_that_announces_more_than_it_holds(tmp_path):
  import h5py
  with h5py.File(tmp_path / 'x.h5', 'w') as file:
    file.create_dataset(
        'conv1_conv/conv1_conv/kernel:0', [2**16, 2**16, 2**8], np.float32, chunks=(64, 64, 64))
  with pytest.raises(UserError, match='announces'):
    sources.read(str(tmp_path / 'x.h5'))


@pytest.mark.parametrize('make, changed', [
    (lambda n: tiny.config(), ['class_embed.bias', 'class_embed.weight']),
    (lambda n: tiny.per_pixel_config(), ['bias', 'weight']),
    (lambda n: tiny.plus_config(), ['query_embed.weight'])])
def test_another_number_of_classes(tmp_path, make, changed):
  old, new = make(7), make(7)
  new.num_classes = 12
  if 'query_embed.weight' in changed:
    new.num_queries = 12
  source = build_model(old, seed=1)
  path = tf.train.Checkpoint(model=source).write(str(tmp_path / 'ckpt'))
  model = build_model(new, seed=2)
  before = values(model)
  with pytest.raises(UserError, match='does not fit'):
    restore.restore(model, path)
  report = restore.restore(model, path, rules=rows.Rules('by_count'))
  assert report.new_classes == [f'sem_seg_head.predictor.{name}' for name in changed]
  assert report.new_classes == report.missing
  assert 'another number of classes' in str(report)
  after, wanted = values(model), values(source)
  for name, value in after.items():
    kept = before if name in report.new_classes else wanted
    np.testing.assert_array_equal(value, kept[name])
