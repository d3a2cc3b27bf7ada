"""Without deep supervision a model makes its last prediction alone, and the same one."""

import numpy as np
import pytest

from tests.modeling import tiny
from tests.modeling import tiny_m2f
from tf_maskformer.configs.task import MaskClassification
from tf_maskformer.configs.task import PerPixel
from tf_maskformer.configs.task import PointMaskClassification
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.tasks.factory import build_task

TASKS = {
    'maskformer': lambda: MaskClassification(model=tiny.config()),
    'mask2former': lambda: PointMaskClassification(model=tiny_m2f.config()),
    'per_pixel_plus': lambda: PerPixel(model=tiny.plus_config())}


@pytest.mark.parametrize('name, predictions', [
    ('maskformer', 3), ('per_pixel_plus', 3), ('mask2former', 6)])
@pytest.mark.parametrize('training', [False, True])
def test_the_last_prediction_alone(name, predictions, training):
  task = TASKS[name]()
  images = np.random.default_rng(0).normal(size=[2, 64, 64, 3]).astype(np.float32)
  assert build_task(task).num_predictions() == predictions
  supervised = build_model(task.model, seed=1)
  every = supervised(images, training=training)
  task.model.deep_supervision = False
  assert build_task(task).num_predictions() == 1
  alone = build_model(task.model, seed=2)
  alone.set_weights(supervised.get_weights())
  last = alone(images, training=training)
  assert set(last) == set(every)
  for output, value in last.items():
    if output == 'mask_features':  # has no layers
      np.testing.assert_array_equal(value, every[output])
      continue
    assert len(value) == 1 and len(every[output]) == predictions
    wanted = every[output][-1].numpy()
    np.testing.assert_allclose(value[0], wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())


def test_the_baseline_has_one_prediction():
  task = build_task(PerPixel(model=tiny.per_pixel_config()))
  outputs = task.build_model()(np.zeros([1, 64, 64, 3], np.float32), training=True)
  assert task.num_predictions() == len(outputs['mask_logits']) == 1
