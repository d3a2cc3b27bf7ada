"""A training with an input service makes the updates of one that prepares its own batches."""

import pytest

from tests.dataloaders.input_service_test import Service
from tests.records import shapes_records
from tests.tasks.mask2former_test import experiment
from tests.tasks.mask2former_test import run
from tests.tasks.mask2former_test import weights
from tests.training import updates
from tf_maskformer.tasks.factory import build_task


@pytest.mark.slow
def test_equal_updates(tmp_path_factory, tmp_path):
  """Equal to rounding: sums over threads are not in a fixed order."""
  records = shapes_records(tmp_path_factory.mktemp, 5, 1)
  service = Service(2)
  for name, url in (('local', ''), ('served', service.url)):
    e = experiment(records, 3)
    e.task.train_data.service = url
    updates.follow_the_gradient(e, clip=1.0, rate=0.1)
    run(e, 'train', tmp_path / name)
  initial = updates.initial(build_task(e.task, e.runtime), tmp_path)
  updates.assert_equal(weights(tmp_path / 'served'), weights(tmp_path / 'local'), initial, 1e-3)
