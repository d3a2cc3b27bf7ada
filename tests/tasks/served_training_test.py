"""A training with an input service makes the weights of one that prepares its own batches."""

import numpy as np
import pytest

from tests.dataloaders.input_service_test import Service
from tests.records import shapes_records
from tests.tasks.mask2former_test import experiment
from tests.tasks.mask2former_test import run
from tests.tasks.mask2former_test import weights


@pytest.mark.slow
def test_equal_weights(tmp_path_factory, tmp_path):
  records = shapes_records(tmp_path_factory.mktemp, 5, 1)
  run(experiment(records, 3), 'train', tmp_path / 'local')
  service = Service(2)
  e = experiment(records, 3)
  e.task.train_data.service = service.url
  run(e, 'train', tmp_path / 'served')
  served = weights(tmp_path / 'served')
  local = weights(tmp_path / 'local')
  assert served.keys() == local.keys() and len(local) > 100
  for name, value in local.items():
    np.testing.assert_array_equal(served[name], value, err_msg=name)
