"""Mask2Former in training: three scores, compiled, on two replicas, instances that overlap."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from PIL import Image

from tests import support
from tests.records import shapes_records
from tests.training import updates
from tf_maskformer.configs import rules
from tf_maskformer.configs.experiments import registry
from tf_maskformer.tasks.factory import build_task
from tf_maskformer.training import checkpoints
from tf_maskformer.training import runner

NAME = 'mask2former_shapes_panoptic'


@pytest.fixture(scope='module', name='records')
def convert(tmp_path_factory):
  return shapes_records(tmp_path_factory.mktemp, 6, 3)


def experiment(records, steps=2):
  e = registry.get(NAME)
  for data, split in ((e.task.train_data, 'train'), (e.task.validation_data, 'val')):
    data.input_path, data.global_batch_size = f'{records}/{split}*', 2
    data.parser.output_size = [64, 64]
    data.parser.augmentation.flip_probability = 0.0
  e.task.model.pixel_decoder.width = e.task.model.pixel_decoder.mask_width = 32
  e.task.model.backbone.resnet.norm = 'group'
  e.task.resolve()
  e.task.model.transformer_decoder.layers = 2
  e.task.losses.points = 256
  e.task.evaluation.semantic = e.task.evaluation.instance = e.task.evaluation.boundary = True
  e.trainer.train_steps = e.trainer.steps_per_loop = e.trainer.checkpoint_interval = steps
  rules.validate(e)
  return e


def weights(folder):
  return updates.arrays(checkpoints.readable(str(folder))[0])


def run(e, mode, folder):
  folder.mkdir(exist_ok=True)
  assert runner.run(e, NAME, mode, str(folder), build_task) == 0


@pytest.mark.slow
def test_three_scores_whatever_the_batch(records, tmp_path, capsys):
  found, tables = [], []
  run(experiment(records), 'train', tmp_path / 'run')
  for batch in (1, 3):
    e = experiment(records)
    e.task.validation_data.global_batch_size = batch
    run(e, 'eval', tmp_path / 'run')
    text = (tmp_path / 'run/evaluations/step_00000002.json').read_text()
    found.append(json.loads(text)['metrics'])
    tables.append((tmp_path / 'run/evaluations/confusion.csv').read_bytes())
  assert {'pq_all', 'boundary_pq_all', 'miou', 'ap', 'ap50', 'boundary_ap', 'validation_loss'} <= (
      set(found[0]))
  assert tables[0].startswith(b'truth / prediction,disc,square')
  with Image.open(tmp_path / 'run/evaluations/confusion.png') as image:
    assert image.width > 100
  for key, value in found[0].items():
    np.testing.assert_allclose(found[1][key], value, rtol=1e-3, err_msg=key)
  printed = capsys.readouterr().out
  assert all(word in printed for word in (' PQ ', 'mIoU', 'AP50'))


def draw(prediction, purpose, shape):
  """Points that XLA draws too: its own random numbers are others than TensorFlow's."""
  rng = np.random.default_rng([prediction, len(purpose)])
  return tf.constant(rng.random([*shape, 2], np.float32))


@pytest.mark.slow
def test_compiled_step_makes_the_update_of_the_plain_one(records):
  e, updates = experiment(records), []
  e.task.losses.matcher = 'graph'
  for compiled in (False, True):
    task = build_task(e.task, e.runtime)
    task.set_loss._draw = draw
    model = task.build_model()
    optimizer = tf_keras.optimizers.SGD(1.0)  # an update is the gradient itself
    optimizer.build(model.trainable_variables)
    before = [v.numpy() for v in model.trainable_variables]
    step = tf.function(
        lambda *batch, of=(task, model, optimizer): of[0].train_step(batch, *of[1:]),
        jit_compile=compiled)
    loss = step(*next(iter(task.build_inputs(e.task.train_data))))['loss']
    changes = [v.numpy() - b for v, b in zip(model.trainable_variables, before)]
    updates.append([loss.numpy(), *changes])
  assert len(updates[0]) > 100
  names = ['loss', *(v.name for v in model.trainable_variables)]
  for plain, compiled, name in zip(*updates, names):
    bound = 2e-4 * np.abs(plain).max() + 1e-7
    np.testing.assert_allclose(compiled, plain, rtol=0, atol=bound, err_msg=name)


@pytest.mark.slow
def test_two_replicas_update_as_one(records, tmp_path):
  """The same points in every mask, whatever replica holds it; the rest is the recipe's."""
  script = f"""
import sys, pathlib
import tensorflow as tf
tf.config.set_logical_device_configuration(tf.config.list_physical_devices('CPU')[0],
                                           [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.tasks import mask2former_test
from tests.training import updates
from tf_maskformer.tasks.factory import build_task
from tf_maskformer.training import building
from tf_maskformer.training import runner
folder = pathlib.Path({str(tmp_path)!r}) / sys.argv[1]
def mirrored(**unused):
  return tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'][:int(sys.argv[1])])
building.distribute_utils.get_distribution_strategy = mirrored
def draw(prediction, purpose, shape):
  own = tf.random.stateless_uniform([1, shape[1], 2], [prediction, len(purpose)])
  return tf.repeat(own, shape[0], axis=0)
def fewer_segments(features, targets):
  # Five in one image and two in the other: a replica's own number is not the mean.
  count = 2 + targets['classes'][:, 2] // 2
  slot = tf.range(tf.shape(targets['valid'])[1])
  return features, {{**targets, 'valid': targets['valid'] & (slot[None] < count[:, None])}}
def make_task(*args):
  task = build_task(*args)
  task.set_loss._draw = draw
  build = task.build_inputs
  task.build_inputs = lambda *a, **k: build(*a, **k).map(fewer_segments)
  return task
e = mask2former_test.experiment(pathlib.Path({str(records)!r}), 1)
# Clipped, since the norm must be that of both replicas' sum.
updates.follow_the_gradient(e, clip=1.0, rate=0.1)
folder.mkdir()
assert runner.run(e, mask2former_test.NAME, 'train', str(folder), make_task) == 0
"""
  for replicas in ('1', '2'):
    done = subprocess.run(
        [sys.executable, '-c', script, replicas], cwd=support.ROOT, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr[-3000:]
  e = experiment(records, 1)
  initial = updates.initial(build_task(e.task, e.runtime), tmp_path)
  updates.assert_equal(weights(tmp_path / '2'), weights(tmp_path / '1'), initial, 1e-4)
