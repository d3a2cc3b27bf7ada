"""A step in parts: no image is padded to another, whatever the batch; the sum is the step."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests import support
from tests.tasks import small_per_pixel
from tf_maskformer.configs import rules
from tf_maskformer.configs.experiments import registry
from tf_maskformer.errors import UserError
from tf_maskformer.tasks.factory import build_task

CLASSES, SEGMENTS = 7, 3


def make_task(model='maskformer', micro=0, images_per_normalizer=1):
  family = 'mask2former' if model == 'mask2former' else 'maskformer'
  e = registry.get(f'{family}_shapes_panoptic')
  if model == 'per_pixel':
    e.task = small_per_pixel.task_like(e.task)
  task = e.task
  task.model.backbone.resnet.norm = 'group'
  task.model.pixel_decoder.width = task.model.pixel_decoder.mask_width = 32
  if model != 'per_pixel':
    task.model.transformer_decoder.layers = 1
  task.losses.images_per_normalizer, task.micro_batch_size = images_per_normalizer, micro
  if model == 'mask2former':
    task.losses.points = 64
  rules.validate(e)
  return build_task(task)


def image(seed, height, width):
  """One example as the reader gives it, SEGMENTS segments in it, without the batch axis."""
  rng = np.random.default_rng(seed)
  blocks = rng.integers(0, SEGMENTS + 1, [height // 8 + 1, width // 8 + 1]).astype(np.uint8)
  id_map = np.kron(blocks, np.ones([8, 8], np.uint8))[:height, :width]
  pixels = rng.integers(0, 256, [height, width, 3]).astype(np.uint8)
  features = {'image': pixels, 'image_size': [height, width]}
  targets = {
      'id_maps': id_map[None], 'classes': rng.integers(0, CLASSES, [SEGMENTS]).astype(np.int32),
      'plane': np.zeros([SEGMENTS], np.int32), 'valid': np.ones([SEGMENTS], bool),
      'example_id': seed,
      'dropped_segments': 0, 'is_real': True, 'original_size': [height, width]}
  return features, targets


def batch(*images):
  """Stacks examples, every value padded to its largest, as the reader does."""
  def stacked(*values):
    values = [np.asarray(v) for v in values]
    largest = np.max([v.shape for v in values], axis=0).astype(int)
    whole = np.zeros([len(values), *largest], values[0].dtype)
    for i, value in enumerate(values):
      whole[(i, *(slice(size) for size in value.shape))] = value
    return tf.constant(whole.astype(np.int32) if whole.dtype == np.int64 else whole)
  def both(part):
    return {name: stacked(*(image[part][name] for image in images)) for name in images[0][part]}
  return both(0), both(1)


def update(task, inputs):
  """The step's loss and its update with a rate of 1: the gradient."""
  model, optimizer = task.build_model(), tf_keras.optimizers.SGD(1.0)
  optimizer.build(model.trainable_variables)
  before = [v.numpy() for v in model.trainable_variables]
  spec = tf.nest.map_structure(lambda x: tf.TensorSpec(_unknown(x.shape), x.dtype), inputs)
  step = tf.function(lambda x: task.train_step(x, model, optimizer), input_signature=[spec])
  logs = step(inputs)
  changes = [b - v.numpy() for v, b in zip(model.trainable_variables, before)]
  return {k: v.numpy() for k, v in logs.items()}, changes


def _unknown(shape):
  return [size if i == 0 or size <= 7 else None for i, size in enumerate(shape)]


def assert_close(found, wanted, factor):
  for a, b in zip(found, wanted):
    np.testing.assert_allclose(a, b, rtol=0, atol=factor * np.abs(b).max() + 1e-7)


SMALL, LARGE = image(1, 49, 66), image(2, 96, 71)


@pytest.mark.slow
@pytest.mark.parametrize('model', ['maskformer', 'per_pixel'])
def test_one_at_a_time_is_each_alone(model):
  task = make_task(model, micro=1)
  logs, found = update(task, batch(SMALL, LARGE))
  alone = [update(task, batch(x)) for x in (SMALL, LARGE)]
  np.testing.assert_allclose(logs['loss'], np.mean([a[0]['loss'] for a in alone]), rtol=1e-6)
  assert_close(found, [np.mean(pair, axis=0) for pair in zip(*(a[1] for a in alone))], 2e-5)


@pytest.mark.slow
def test_all_at_once_the_model_sees_the_padding():
  _, together = update(make_task(), batch(SMALL, LARGE))
  _, single = update(make_task(micro=1), batch(SMALL, LARGE))
  with pytest.raises(AssertionError):
    assert_close(together, single, 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize('model, micro', [('maskformer', 2), ('mask2former', 1)])
def test_images_of_one_size_in_parts_are_the_whole_step(model, micro):
  images = [image(seed, 64, 64) for seed in range(4)]
  whole, parts = [], []
  for size, result in ((0, whole), (micro, parts)):
    task = make_task(model, size, images_per_normalizer=2)
    if model == 'mask2former':  # the same points whatever the number of masks
      task.set_loss._draw = lambda prediction, purpose, shape: tf.repeat(
          tf.random.stateless_uniform([1, shape[1], 2], [prediction, len(purpose)]), shape[0],
          axis=0)
    result += update(task, batch(*images))
  for name, value in whole[0].items():
    np.testing.assert_allclose(parts[0][name], value, rtol=1e-5, err_msg=name)
  assert_close(parts[1], whole[1], 2e-5)


def test_parts_hold_images_of_like_shape():
  wide, tall = [image(s, 40, 80) for s in (0, 1)], [image(s, 80, 40) for s in (2, 3)]
  _, mixed = update(make_task(micro=2), batch(wide[0], tall[0], wide[1], tall[1]))
  _, single = update(make_task(micro=1), batch(wide[0], tall[0], wide[1], tall[1]))
  assert_close(mixed, single, 2e-5)  # nothing was padded


def test_validation_says_where_it_pads(capsys, tmp_path):
  task = make_task()
  data = task.task_config.validation_data
  tf.io.TFRecordWriter(str(tmp_path / 'empty')).close()
  data.input_path, data.parser.output_size = str(tmp_path / 'empty'), []
  warning = 'validation: 4 images per replica are padded to the largest'
  for batch, said in ((1, ''), (0, ''), (4, warning)):
    data.global_batch_size = batch
    with pytest.raises(UserError, match='no record'):
      task.build_inputs(data)
    printed = capsys.readouterr().out
    assert printed.startswith(said) and bool(printed) == bool(said)


def test_what_cannot_be_shared_is_refused():
  task = make_task(micro=3)
  data = task.task_config.train_data
  data.global_batch_size = 4
  with pytest.raises(
      UserError, match='task.micro_batch_size=3 does not divide the 4 images per replica'):
    task.build_inputs(data)
  e = registry.get('maskformer_shapes_panoptic')  # trains batch norms
  e.task.micro_batch_size = 1
  with pytest.raises(
      UserError, match="norm is 'batch', whose statistics are those of the complete batch"):
    rules.validate(e)


@pytest.mark.slow
def test_two_replicas_in_parts_are_one():
  """Four images in groups of two: on one replica, and on two replicas one image at a time."""
  script = """
import numpy as np, tensorflow as tf, tf_keras
tf.config.set_logical_device_configuration(tf.config.list_physical_devices('CPU')[0],
                                           [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.tasks import micro_batches_test as tests
sizes = [(40, 64), (64, 48), (56, 56), (64, 64)]
images = [tests.image(i, *size) for i, size in enumerate(sizes)]
found = []
for devices in (['CPU:0'], ['CPU:0', 'CPU:1']):
  strategy = tf.distribute.MirroredStrategy(devices)
  each = 4 // len(devices)
  with strategy.scope():
    task = tests.make_task(micro=1, images_per_normalizer=2)
    model, optimizer = task.build_model(), tf_keras.optimizers.SGD(1.0)
    optimizer.build(model.trainable_variables)
  before = [v.numpy() for v in model.trainable_variables]
  batches = strategy.experimental_distribute_values_from_function(
      lambda c: tests.batch(*images[each * c.replica_id_in_sync_group:][:each]))
  step = tf.function(lambda x: task.train_step(x, model, optimizer), autograph=False)
  strategy.run(step, args=(batches,))
  found.append([b - v.numpy() for v, b in zip(model.trainable_variables, before)])
tests.assert_close(found[1], found[0], 2e-5)
"""
  done = subprocess.run([sys.executable, '-c', script], cwd=support.ROOT, capture_output=True,
                        text=True, check=False)
  assert done.returncode == 0, done.stderr[-2000:]
