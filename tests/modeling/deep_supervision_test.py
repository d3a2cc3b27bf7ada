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


def task_of(predictor):
  model = tiny_m2f.config() if predictor == 'mask2former' else tiny.config()
  model.which_predictor = predictor
  make = {'maskformer': MaskClassification, 'per_pixel_plus': PerPixel,
          'mask2former': PointMaskClassification}[predictor]
  return make(model=model)


@pytest.mark.parametrize('predictor, predictions', [
    ('maskformer', 3), ('per_pixel_plus', 3), ('mask2former', 6)])
@pytest.mark.parametrize('training', [False, True])
def test_the_last_prediction_alone(predictor, predictions, training):
  task = task_of(predictor)
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
  for name, value in last.items():
    if name == 'mask_features':  # has no layers
      np.testing.assert_array_equal(value, every[name])
      continue
    assert len(value) == 1 and len(every[name]) == predictions
    wanted = every[name][-1].numpy()
    np.testing.assert_allclose(value[0], wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())
