"""Scores of an export on records: the truth itself scores 100, what is wrong scores less."""

import numpy as np
import pytest

from tests import records
from tests.serving.export import small
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import export_scores
from tf_maskformer.serving.loading import Configured


@pytest.fixture(scope='module', name='pattern')
def make_records(tmp_path_factory):
  return f'{records.shapes_records(tmp_path_factory.mktemp, 2, 5)}/val*'


def configured():
  experiment = small.experiment_of()
  return Configured(small.PANOPTIC, experiment, catalog.get(experiment.task.data_set))


def truth_of(pattern):
  """Returns the true answer of each image, by the image's bytes."""
  truth = GroundTruth(pattern, 'shapes_panoptic')
  found = {}
  for example_id in truth.example_ids:
    id_map, segments = truth[example_id]
    classes = np.array([s['category_id'] for s in segments])
    found[truth.image(example_id).tobytes()] = {
        'id_map': id_map, 'classes': classes, 'count': len(segments),
        'scores': np.ones(len(segments)),
        'masks': np.stack([id_map == s['id'] for s in segments]).astype(np.uint8),
        'labels': np.append(-1, classes)[id_map]}
  return found


@pytest.mark.parametrize('task, name', [
    ('panoptic', 'pq_all'), ('semantic', 'miou'), ('instance', 'ap')])
def test_the_truth_scores_100(pattern, task, name):
  answers = truth_of(pattern)
  found, count = export_scores.score(
      configured(), task, lambda image: answers[image.tobytes()], pattern)
  assert found[name] == pytest.approx(100) and count == 5


@pytest.mark.parametrize('task, name', [
    ('panoptic', 'pq_all'), ('semantic', 'miou'), ('instance', 'ap')])
def test_what_is_moved_scores_less(pattern, task, name):
  answers = truth_of(pattern)
  def moved(image):
    answer = answers[image.tobytes()]
    maps = {key: np.roll(answer[key], 12, axis=-1) for key in ('id_map', 'masks', 'labels')}
    return {**answer, **maps}
  found, count = export_scores.score(configured(), task, moved, pattern, limit=3)
  assert found[name] < 90 and count == 3


def test_records_that_are_not_there():
  with pytest.raises(UserError, match='nowhere'):
    export_scores.score(configured(), 'panoptic', None, '/nowhere/val*')
