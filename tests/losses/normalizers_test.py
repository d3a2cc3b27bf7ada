"""Means over groups of images against processes that hold one group each."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import support
from tf_maskformer.losses import normalizers

WEIGHTS = [0.4, 3.1, 0.0, 7.5, 2.2, 1.0]
SUMS = [1.0, -2.0, 0.0, 3.5, 0.7, 4.0]


def mean_of_processes(weights, sums, size):
  """Each process divides by its own weight, the others wait; then the gradients are averaged."""
  groups = [slice(i, i + size) for i in range(0, len(weights), size)]
  return np.mean([np.sum(sums[g]) / np.sum(weights[g]) for g in groups])


@pytest.mark.parametrize('size', [1, 2, 3, 6])
def test_groups_are_processes(size):
  weights, sums = np.array(WEIGHTS) + 0.5, np.array(SUMS)
  found = normalizers.shares(tf.constant(weights, tf.float32), size)
  wanted = mean_of_processes(weights, sums, size)
  np.testing.assert_allclose(np.sum(found * sums), wanted, rtol=1e-6)


def test_zero_is_one_mean_over_the_batch():
  weights = tf.constant(WEIGHTS)
  all_images, six = (normalizers.shares(weights, size) for size in (0, 6))
  np.testing.assert_allclose(all_images, six, rtol=1e-6)
  np.testing.assert_allclose(np.sum(all_images * WEIGHTS), 1.0, rtol=1e-6)


def test_an_uneven_rest_weighs_by_its_images():
  found = normalizers.shares(tf.constant([1.0, 3.0, 2.0]), 2)
  np.testing.assert_allclose(found, [2 / 3 / 4, 2 / 3 / 4, 1 / 3 / 2], rtol=1e-6)


def test_no_weight_is_no_share():
  assert normalizers.shares(tf.zeros([3]), 0).numpy().tolist() == [0, 0, 0]
  assert normalizers.shares(tf.constant([0.0, 1.0]), 1).numpy().tolist() == [0, 0.5]


def test_groups_do_not_know_replicas():
  """Two replicas of three images: groups within one (1), across both (2), and of all (6, 0)."""
  script = f"""
import numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(tf.config.list_physical_devices('CPU')[0],
                                           [tf.config.LogicalDeviceConfiguration()] * 2)
from tf_maskformer.losses import normalizers
weights = tf.constant({WEIGHTS})
strategy = tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])
parts = strategy.experimental_distribute_values_from_function(
    lambda c: weights[3 * c.replica_id_in_sync_group:][:3])
for size in (1, 2, 3, 6, 0):
  alone = normalizers.shares(weights, size)
  values = strategy.run(tf.function(lambda w: normalizers.shares(w, size)), args=(parts,))
  both = tf.concat(strategy.experimental_local_results(values), 0)
  # A replica's loss is later averaged over the two.
  np.testing.assert_allclose(both / 2, alone, rtol=1e-6, err_msg=str(size))
"""
  done = subprocess.run(
      [sys.executable, '-c', script], cwd=support.ROOT, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr[-2000:]
