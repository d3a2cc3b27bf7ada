"""The training step is one that a TPU can take, as far as TensorFlow says so without a TPU.

Traced with static shapes as for runtime.distribution_strategy=tpu and lowered to HLO, XLA's input
language on every device.
"""

import pathlib
import re

import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from tests.tasks import small_per_pixel
from tf_maskformer.configs import rules
from tf_maskformer.configs.experiments import registry
from tf_maskformer.scripts import step_flops
from tf_maskformer.tasks.factory import build_task
from tf_maskformer.training import optimizers

SIDE = 64
BATCH = 2
FAMILIES = [
    'per_pixel', *(pytest.param(name, marks=pytest.mark.slow) for name in (
        'maskformer', 'mask2former', 'per_pixel_plus'))]
# Ops that leave the device in the middle of a step, and summaries, which a TPU refuses.
HOST = re.compile('PyFunc|NumpyFunction|Infeed|Outfeed|HostCompute|Print|Summary|Placeholder$')
# Of functions and their arguments; no kernel computes them.
STRUCTURE = {'Arg', '_Arg', '_Retval', 'NoOp', 'Const', 'VarHandleOp', 'Placeholder'}
XLA_DEVICES = {'XLA_CPU_JIT', 'XLA_GPU_JIT'}
# A custom call is code of one device; these have a meaning on each.
CUSTOM_CALLS = {'TopK', 'Sharding'}


def experiment(family):
  base = 'mask2former' if family == 'mask2former' else 'maskformer'
  e = registry.get(f'{base}_shapes_panoptic')
  if family.startswith('per_pixel'):
    e.task = small_per_pixel.task_like(e.task, plus=family == 'per_pixel_plus')
    e.trainer.best_checkpoint_eval_metric = 'miou'
  e.runtime.distribution_strategy = 'tpu'
  e.runtime.tpu = 'a-pod'
  for data in (e.task.train_data, e.task.validation_data):
    data.parser.output_size = [SIDE, SIDE]
    data.global_batch_size = BATCH
  e.task.model.pixel_decoder.width = e.task.model.pixel_decoder.mask_width = 32
  e.task.resolve()
  if family != 'per_pixel':
    e.task.model.transformer_decoder.layers = 2
  if family == 'mask2former':
    e.task.losses.points = 256
  e.trainer.train_steps = 10
  rules.validate(e)
  return e


@pytest.fixture(scope='module', name='traced', params=FAMILIES)
def trace(request):
  """Returns the step of a family as a function with static shapes, compiled."""
  e = experiment(request.param)
  task = build_task(e.task, e.runtime, train_steps=10)
  model = task.build_model()
  config = e.trainer.optimizer_config
  groups = task.parameter_groups(model, config.optimizer)
  optimizer = optimizers.build(config, e.trainer.train_steps, **groups)
  optimizer.build(model.trainable_variables)
  metrics = task.build_metrics()

  def step(features, targets):
    return task.train_step((features, targets), model, optimizer, metrics)

  compiled = tf.function(step, jit_compile=True, autograph=False)
  spec = step_flops.batch_spec(e.task.train_data.parser, BATCH)
  # The variables must live as long as the function.
  return compiled, spec, (task, model, optimizer, metrics)


def to_hlo(function, spec):
  batch = tf.nest.map_structure(lambda s: tf.zeros(s.shape, s.dtype), spec)
  return function.experimental_get_compiler_ir(*batch)(stage='hlo')


def nodes(function, spec):
  graph = function.get_concrete_function(*spec).graph.as_graph_def()
  yield from graph.node
  for inner in graph.library.function:
    yield from inner.node_def


def test_no_operation_calls_the_host(traced):
  function, spec, _ = traced
  found = {n.op for n in nodes(function, spec)}
  assert len(found) > 40
  assert not {op for op in found if HOST.search(op)} - {'Placeholder'}


def tpu_types():
  """HLO's names of the types that TensorFlow's own header lists for TPUs."""
  header = pathlib.Path(tf.sysconfig.get_include(), 'tensorflow/core/tpu/tpu_defs.h').read_text()
  listed = re.search(r'kTpuAllTypes = \{(.*?)\};', header, re.DOTALL)[1]
  names = {'DT_BOOL': 'pred', 'DT_HALF': 'f16', 'DT_FLOAT': 'f32', 'DT_DOUBLE': 'f64',
           'DT_BFLOAT16': 'bf16', 'DT_COMPLEX64': 'c64'}
  found = set()
  for name in re.findall(r'DT_\w+', listed):
    found.add(names.get(name, re.sub(r'DT_(U?)INT', lambda m: m[1].lower() or 's', name)))
  assert {'pred', 's32', 'u8', 'bf16'} <= found and 'c128' not in found
  return found


def devices(op):
  return {k.device_type for k in kernels.get_registered_kernels_for_op(op).kernel}


def test_every_operation_compiles_and_has_a_static_shape(traced):
  function, spec, _ = traced
  lowered = to_hlo(function, spec)
  # XLA's kernels are registered once something was compiled.
  library = set()
  for inner in function.get_concrete_function(*spec).graph.as_graph_def().library.function:
    library.add(inner.signature.name)
  unknown = {
      n.op for n in nodes(function, spec)
      if n.op not in library | STRUCTURE and not devices(n.op) >= XLA_DEVICES}
  assert not unknown
  assert '<=' not in lowered  # how HLO writes a size that is known only when it runs
  assert set(re.findall(r'\b(pred|bf16|[fsuc]\d+\w*)\[', lowered)) <= tpu_types()
  targets = set(re.findall(r'custom_call_target="([^"]+)"', lowered))
  assert targets <= CUSTOM_CALLS
  for word in ('infeed', 'outfeed', 'send(', 'recv('):
    assert word not in lowered


def test_the_check_finds_host_calls_and_dynamic_shapes():
  spec = [tf.TensorSpec([8], tf.float32)]
  calls = tf.function(lambda x: tf.numpy_function(lambda v: v, [x], tf.float32), autograph=False)
  assert any(HOST.search(n.op) for n in nodes(calls, spec))
  dynamic = tf.function(lambda x: tf.where(x > 0), jit_compile=True, autograph=False)
  assert '<=' in to_hlo(dynamic, spec)
  assert not devices('StringJoin') >= XLA_DEVICES
