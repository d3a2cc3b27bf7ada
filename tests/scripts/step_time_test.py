"""The predicted time of a step, and the arithmetic that it is predicted from."""

import pytest
import tensorflow as tf

from tf_maskformer.configs.experiments import registry
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import step_flops
from tf_maskformer.scripts import step_time
from tf_maskformer.scripts.step_time import Machine
from tf_maskformer.scripts.step_time import Model

MODEL = Model('x', 1e12, 1e8)
MACHINE = Machine(1e13, 0.5, 1e9, 1e-3, 4, 10, 'made up')


def test_by_hand():
  alone = step_time.predict(MODEL, MACHINE, 1, 2)
  assert alone == (0.4, 0.0, 0.05) and alone.seconds == 0.4 and alone.limit == 'arithmetic'
  four = step_time.predict(MODEL, MACHINE, 4, 2, side=512)
  assert four.arithmetic == pytest.approx(0.1)
  assert four.all_reduce == pytest.approx(2 * 3 / 4 * 0.4 + 6e-3) and four.limit == 'all-reduce'
  assert four.seconds == pytest.approx(four.arithmetic + four.all_reduce)
  slow = step_time.predict(MODEL, MACHINE._replace(rate=0.1), 2, 2)
  assert slow.seconds == slow.input == 5.0
  shared = step_time.predict(MODEL, MACHINE, 3, 2, one_machine=True)
  assert shared.arithmetic == pytest.approx(1.2) and shared.input == pytest.approx(0.15)


def test_what_was_measured_sets_the_utilization(capsys):
  machine = step_time.fitted(MODEL, MACHINE, 2, 1024, 1, 0.8)
  assert machine.utilization == pytest.approx(0.25)
  step_time.main(['--model=mask2former_r50', '--machine=cpu', '--measured=1=4,2=8.5'])
  rows = [line.split(' | ') for line in capsys.readouterr().out.splitlines() if line[:3] in (
      '| 1', '| 2')]
  assert rows[0][1:3] == ['4', '4'] and 8 < float(rows[1][2]) < 9


def test_the_table(capsys):
  step_time.main(['--machine=a100', '--workers=1,8'])
  printed = capsys.readouterr().out
  assert printed.count('| 1 |') == len(step_time.MODELS) == printed.count('\n| 8 |')
  for name, model in step_time.MODELS.items():
    assert name in printed and model.flops > 1e12 and model.parameters > 4e7


@pytest.mark.parametrize('flags, message', [
    (['--machine=a10'], "machine 'a10' is unknown"), (['--model=x'], "model 'x' is unknown"),
    (['--workers=1,x'], '--workers 1,x is not whole numbers'), (['--workers=0'], 'not within'),
    (['--measured=1=2'], '--measured needs --model'), (['--peak=nan'], '--peak nan is not a pos'),
    (['--model=mask2former_r50', '--measured=1:2'], 'is not workers=seconds'),
    (['--model=mask2former_r50', '--measured=1=-2'], 'has a number that is not positive'),
    (['--utilization=2'], '--utilization 2 is above 1'), (['--batch=0'], '--batch 0 is below 1'),
    (['--side=0'], '--side 0 is not within')])
def test_mistakes(flags, message):
  with pytest.raises(UserError, match=message):
    step_time.main(flags)


def test_arithmetic_by_hand():
  def work(image, kernel, a, b):
    with tf.GradientTape() as tape:
      tape.watch([image, kernel])
      y = tf.nn.conv2d(image, kernel, 1, 'SAME')
    gradients = tape.gradient(y, [image, kernel])
    return gradients, tf.matmul(a, b, transpose_a=True), tf.einsum('bij,bkj->bik', b, b)

  spec = [tf.TensorSpec(s) for s in ([2, 8, 8, 3], [3, 3, 3, 5], [2, 7, 4], [2, 7, 6])]
  graph = tf.function(work, autograph=False).get_concrete_function(*spec).graph
  convolution = 2 * (2 * 8 * 8 * 5) * 3 * 3 * 3
  product = 2 * 2 * 4 * 6 * 7
  einsum = 2 * 2 * 7 * 7 * 6
  assert step_flops.of_graph(graph) == 3 * convolution + product + einsum


@pytest.mark.slow
@pytest.mark.parametrize('name', ['maskformer_r50', 'mask2former_r50'])
def test_the_models_are_as_counted(name):
  model = step_time.MODELS[name]
  work = step_flops.of_step(registry.get(model.experiment), 1024)
  assert work.flops == pytest.approx(model.flops, rel=1e-3)
  assert work.parameters == pytest.approx(model.parameters, rel=1e-3)
