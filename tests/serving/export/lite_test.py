"""The LiteRT export answers as the checkpoint does, with operators of its own only."""

import numpy as np
import pytest

from tests.serving.export import formats
from tests.serving.export import small
from tf_maskformer.errors import UserError
from tf_maskformer.serving.export import lite
from tf_maskformer.serving.export import samples
from tf_maskformer.serving.export.plan import Plan

SIZE = (64, 97)


def test_a_fixed_size(tmp_path):
  plan = Plan('tflite', 'panoptic', SIZE)
  runtime, checkpoint = formats.write(tmp_path, plan, name=small.MASK2FORMER)
  for seed in range(2):
    image = samples.draw(SIZE, seed)
    expected = checkpoint.run(image)
    found = runtime.run(image)
    formats.assert_near(expected, found, plan)
    assert found['count'] == expected['count'] > 0
    assert found['id_map'].shape == SIZE and found['id_map'].dtype == np.int32
  names = lite.operations(tmp_path)
  assert 'CONV_2D' in names and not [name for name in names if name.startswith('Flex')]


@pytest.mark.parametrize('task, changes', [
    ('semantic', small.SEMANTIC), ('instance', small.INSTANCE)])
def test_other_tasks_in_8_bits(tmp_path, task, changes):
  plan = Plan('tflite', task, SIZE, 'int8')
  runtime, checkpoint = formats.write(tmp_path, plan, changes)
  image = samples.draw(SIZE, 0)
  formats.assert_near(checkpoint.run(image), runtime.run(image), plan)
  half = tmp_path / 'half'
  half.mkdir()
  formats.write(half, Plan('tflite', task, SIZE, 'float16'), changes)
  assert (tmp_path / lite.FILE).stat().st_size < 0.75 * (half / lite.FILE).stat().st_size


def test_what_is_damaged_is_one_line(tmp_path):
  (tmp_path / lite.FILE).write_bytes(b'not a model')
  with pytest.raises(UserError, match='cannot be loaded'):
    lite.Runtime(tmp_path)
