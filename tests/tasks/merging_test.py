"""Which strategies are of several workers; gathering itself is in merged_evaluation_test.py."""

import pytest
import tensorflow as tf

from tf_maskformer.tasks import merging


@pytest.mark.parametrize('make', [
    tf.distribute.get_strategy, lambda: tf.distribute.OneDeviceStrategy('CPU:0'),
    lambda: tf.distribute.MirroredStrategy(['CPU:0'])])
def test_a_process_alone(make):
  assert merging.place(make()) == (0, 1)
