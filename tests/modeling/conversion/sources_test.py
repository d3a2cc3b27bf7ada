"""ResNets of other libraries, read from files made here, compute what their library computes."""

import h5py
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.vision.modeling.backbones import resnet as garden_resnet

from tf_maskformer.configs.backbones import ResNet as ResNetConfig
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.backbones.resnet import ResNet
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.conversion import sources
from tf_maskformer.ops import image as image_ops


class Holder(tf_keras.Model):
  """A model that is only a backbone."""

  def __init__(self, config):
    super().__init__()
    self.backbone = ResNet(config)


def randomize(model, seed):
  rng = np.random.default_rng(seed)
  for v in model.variables:
    if v.shape.rank == 1:  # norms and biases get values that are not their defaults
      v.assign(rng.uniform(0.5, 1.5, v.shape) if 'variance' in v.name or 'gamma' in v.name
               else rng.uniform(-0.3, 0.3, v.shape))


def load(source, config):
  holder = Holder(config)
  entries = names.entries(holder)
  assert set(entries) == set(source.arrays)
  for name, array in source.arrays.items():
    entries[name].assign_official(array)
  return holder.backbone


def test_keras_applications(tmp_path):
  theirs = tf_keras.applications.ResNet50(
      weights=None, include_top=False, input_shape=(160, 160, 3))
  randomize(theirs, 0)
  theirs.save_weights(tmp_path / 'resnet.h5')
  ours = load(sources.read(str(tmp_path / 'resnet.h5')), ResNetConfig(stride_in_1x1=True))
  image = np.random.default_rng(1).integers(0, 256, [1, 160, 160, 3]).astype(np.uint8)
  layers = [theirs.get_layer(name) for name in ('conv2_block3_out', 'conv5_block3_out')]
  outputs = tf_keras.Model(theirs.input, [layer.output for layer in layers])
  wanted = outputs(tf_keras.applications.resnet.preprocess_input(image.astype(np.float32)))
  got = ours(image_ops.normalize(tf.constant(image), tf.constant([[160, 160]])))
  # Away from the border, where both pad with their own idea of black.
  inner = (slice(None), slice(12, 28), slice(12, 28))
  np.testing.assert_allclose(
      got['2'][inner], wanted[0][inner], rtol=0, atol=2e-5 * np.abs(wanted[0]).max())
  np.testing.assert_allclose(got['5'], wanted[1], rtol=0, atol=2e-2 * np.abs(wanted[1]).max())


@pytest.mark.parametrize('as_item', [True, False])
def test_model_garden(tmp_path, as_item):
  specs = tf_keras.layers.InputSpec(shape=[None, None, None, 3])
  theirs = garden_resnet.ResNet(50, input_specs=specs)
  randomize(theirs, 2)
  if as_item:
    checkpoint = tf.train.Checkpoint(backbone=theirs, global_step=tf.Variable(3))
    path = checkpoint.write(str(tmp_path / 'ckpt'))
  else:
    inputs = tf_keras.Input([None, None, 3])
    whole = tf_keras.Model(inputs, theirs(inputs))
    path = tf.train.Checkpoint(model=whole).write(str(tmp_path / 'ckpt'))
  ours = load(sources.read(path), ResNetConfig())
  # At odd sizes TensorFlow's 'SAME' is symmetric, so both networks are the same function.
  image = tf.random.stateless_normal([1, 65, 65, 3], [1, 2])
  wanted, got = theirs(image), ours(image)
  for level in '2345':
    bound = 3e-5 * np.abs(wanted[level]).max()
    np.testing.assert_allclose(got[level], wanted[level], rtol=0, atol=bound)


def test_newest_checkpoint_of_a_folder(tmp_path):
  checkpoint = tf.train.Checkpoint(x=tf.Variable(1.0))
  manager = tf.train.CheckpointManager(checkpoint, str(tmp_path), max_to_keep=3)
  manager.save()
  newest = manager.save()
  assert sources.find(str(tmp_path)) == newest
  assert sources.find(newest + '.index') == newest


def test_what_is_no_checkpoint_is_refused_in_one_sentence(tmp_path):
  empty, text, other = tmp_path / 'empty', tmp_path / 'text.h5', tmp_path / 'other.h5'
  empty.mkdir()
  text.write_text('no HDF5')
  with h5py.File(other, 'w') as file:
    file['dense/dense/kernel:0'] = np.zeros(3)
  foreign = tf.train.Checkpoint(x=tf.Variable(1.0)).write(str(tmp_path / 'foreign'))
  damaged = tmp_path / 'damaged.index'
  damaged.write_bytes(b'not an index')
  cases = (
      (tmp_path / 'none', 'does not exist'), (empty, 'no checkpoint is in the folder'),
      (text, 'cannot be read as HDF5'), (other, 'does not hold a Keras'),
      (foreign, 'does not hold a model of this project'), (tmp_path / 'damaged', 'cannot be read'))
  for path, words in cases:
    with pytest.raises(UserError, match=words):
      sources.read(str(path))


def save_v2(path, tensors):
  tf.raw_ops.SaveV2(
      prefix=str(path), tensor_names=list(tensors), shape_and_slices=[''] * len(tensors),
      tensors=[tf.constant(value) for value in tensors.values()])
  return str(path)


VALUE = '/.ATTRIBUTES/VARIABLE_VALUE'


@pytest.mark.parametrize('value, words', [
    ('text', 'weight.* has type .*; weights must be floating-point'), (3, 'has type int32'),
    ([1 + 2j], 'has type complex128'), ([1.0, float('nan')], r'NaN or infinite .*pixel_decoder.x'),
    ([float('-inf')], r'NaN or infinite weights in 1 tensors \(sem_seg_head.pixel_decoder.x'),
    (np.array([1e300]), 'NaN or infinite'),  # float64, infinite as float32
])
def test_weights_that_are_none(tmp_path, value, words):
  path = save_v2(tmp_path / 'ckpt', {'model/pixel_decoder/x' + VALUE: value})
  with pytest.raises(UserError, match=words):
    sources.read(path)


def test_weights_that_are_not_finite_where_they_are_asked_for(tmp_path):
  tensors = {'model/pixel_decoder/x' + VALUE: np.array([1.0, np.inf], np.float16)}
  found = sources.read(save_v2(tmp_path / 'ckpt', tensors), allow_nonfinite=True)
  np.testing.assert_array_equal(found.arrays['sem_seg_head.pixel_decoder.x'], [1, np.inf])
  assert found.reshaped == ['sem_seg_head.pixel_decoder.x']


def test_other_kinds_of_files_are_checked_for_nan_too(tmp_path):
  theirs = tf_keras.applications.ResNet50(weights=None, include_top=False)
  layer = theirs.get_layer('conv5_block3_3_conv')
  layer.set_weights([weight * np.nan for weight in layer.get_weights()])
  theirs.save_weights(tmp_path / 'resnet.h5')
  with pytest.raises(UserError, match='NaN or infinite weights in 2 tensors .*res5.2.conv3'):
    sources.read(str(tmp_path / 'resnet.h5'))
  sources.read(str(tmp_path / 'resnet.h5'), allow_nonfinite=True)


def test_odd_names_are_one_line(tmp_path):
  """Names of a Model Garden ResNet that it does not have; one tensor under two names."""
  weights = np.zeros([2], np.float32)
  cases = (
      ({f'backbone/layer_with_weights-{i}/x' + VALUE: weights for i in (0, 1, 17)},
       'names that a Model Garden ResNet does not have'),
      ({f'model/a/{name}' + VALUE: weights for name in ('gamma', 'weight')}, 'has a.weight twice'))
  for i, (tensors, words) in enumerate(cases):
    with pytest.raises(UserError, match=words):
      sources.read(save_v2(tmp_path / f'c{i}', tensors))


@pytest.mark.parametrize('ending, damage', [
    ('.index', lambda content: content[:-1]),
    ('.data-00000-of-00001', lambda content: content[:-3]),
    ('.data-00000-of-00001', lambda content: bytes([content[0] ^ 1]) + content[1:])])
def test_a_damaged_prefix_is_refused(tmp_path, ending, damage):
  path = save_v2(tmp_path / 'ckpt-7', {'model/x' + VALUE: np.arange(2, dtype=np.float32)})
  file = tmp_path / f'ckpt-7{ending}'
  file.write_bytes(damage(file.read_bytes()))
  with pytest.raises(UserError, match='cannot be read as a TensorFlow checkpoint'):
    sources.read(path)
  with pytest.raises(UserError, match='none of the 1 checkpoints'):
    sources.find(str(tmp_path))
