"""Evaluations spread over workers: the scores of one process to the last digit, and failures."""

import threading
from concurrent import futures

import numpy as np
import pytest
from PIL import Image

from tests.records import shapes_records
from tests.tasks import noisy_logits
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.dataloaders.preparation import cityscapes
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.postprocessing.answering import Answering
from tf_maskformer.tasks import scores as scores_of_tasks
from tf_maskformer.tasks import spread_scores
from tf_maskformer.tasks.merging import Place
from tf_maskformer.tasks.scores import Scores
from tf_maskformer.tasks.spread_scores import SpreadScores

EVERYTHING = {
    'panoptic': True, 'semantic': True, 'instance': True, 'boundary': True, 'num_images': 3,
    'object_mask_threshold': 0.1, 'overlap_threshold': 0.1}
ROAD, CAR, PERSON = 7, 26, 24  # ids of cityscapesscripts
COUNT = 11  # images
GRAPHS = {}


@pytest.fixture(scope='module', name='folders')
def make_folders(tmp_path_factory):
  """Returns a pattern of records by data set."""
  shapes = shapes_records(tmp_path_factory.mktemp, 1, COUNT)
  root = tmp_path_factory.mktemp('city')
  rng = np.random.default_rng(0)
  for folder in ('leftImg8bit', 'gtFine'):
    (root / folder / 'val/ulm').mkdir(parents=True)
  for k in range(COUNT):
    label = np.full([64, 128], ROAD, np.uint16)
    for number in range(3):
      top, left = rng.integers(0, 32), rng.integers(0, 90)
      label[top:top + 30, left:left + 36] = (CAR, PERSON)[k % 2] * 1000 + number
    name = f'val/ulm/ulm_{k:06d}_000019'
    Image.fromarray(label).save(root / f'gtFine/{name}_gtFine_instanceIds.png')
    Image.fromarray(np.zeros([*label.shape, 3], np.uint8)).save(
        root / f'leftImg8bit/{name}_leftImg8bit.png')
  source = cityscapes.splits(str(root), 'cityscapes')['val']
  shards.convert(source, str(root / 'records'), 'val', 2, 1)
  return {'shapes_panoptic': f'{shapes}/val*', 'cityscapes': f'{root}/records/val*'}


@pytest.fixture(autouse=True)
def answer_with_few_graphs(monkeypatch):
  """All workers of all tests share graphs, which take longer to trace than the images to score."""
  def make(evaluation, row):
    return GRAPHS.setdefault((row.name, evaluation.semantic), Answering(evaluation, row))
  monkeypatch.setattr(scores_of_tasks, 'Answering', make)


class Exchange:
  """Stands for the collectives: every worker is a thread."""

  def __init__(self, count):
    self._barrier = threading.Barrier(count, timeout=120)
    self._payloads = [b''] * count

  def gather(self, index, payload):
    self._payloads[index] = payload
    self._barrier.wait()
    received = list(self._payloads)
    self._barrier.wait()
    return received


def spread(row, truths, evaluation):
  """Returns what each of the workers has for its result, or what it raised.

  Args:
    row: of the data set.
    truths: of each worker.
    evaluation: what is scored.
  """
  count = len(truths)
  exchange = Exchange(count)
  outputs = [{one: noisy_logits.of_image(truth, one, row.num_classes) for one in truth.example_ids}
             for truth in truths]
  def work(index):
    truth = truths[index]
    scores = SpreadScores(
        evaluation, row, truth, Place(index, count),
        lambda payload: exchange.gather(index, payload))
    own = truth.example_ids[index::count]
    try:
      for step in range(-(-COUNT // count)):  # the last one may be of fillers
        for example_id in own[step:step + 1]:
          scores.add(outputs[index][example_id])
        scores.end_step()
      return scores.result()
    except Exception as error:
      return error
  with futures.ThreadPoolExecutor(count) as workers:
    return list(workers.map(work, range(count)))


def alone(row, truth, evaluation):
  scores = Scores(evaluation, row, truth)
  for example_id in truth.example_ids:
    scores.add(noisy_logits.of_image(truth, example_id, row.num_classes))
    scores.end_step()
  return scores.result()


@pytest.mark.parametrize('data_set', ['shapes_panoptic', 'cityscapes'])
def test_scores_are_those_of_one_process_to_the_last_digit(folders, data_set, monkeypatch):
  monkeypatch.setattr(spread_scores, '_STEPS', 2)
  row = catalog.get(data_set)
  truth = GroundTruth(folders[data_set], data_set)
  evaluation = Evaluation(**EVERYTHING)
  wanted = alone(row, truth, evaluation)
  assert all(0 < wanted[name] < 100 for name in ('pq_all', 'miou', 'ap', 'boundary_pq_all'))
  assert data_set == 'cityscapes' or 0 < wanted['boundary_ap'] < 100
  assert data_set != 'cityscapes' or 0 < wanted['iiou'] < 100
  assert len(wanted['images']) == 3 and wanted['scored'] == truth.example_ids
  for count in (1, 2, 3):
    for result in spread(row, [truth] * count, evaluation):
      assert list(result) == list(wanted)
      np.testing.assert_equal(result, wanted)  # as ==, and NaN is NaN


def test_the_images_that_are_shown_are_the_first_of_the_records(folders):
  row = catalog.get('shapes_panoptic')
  truth = GroundTruth(folders['shapes_panoptic'], row.name)
  scores = Scores(Evaluation(num_images=2), row, truth)
  for example_id in reversed(truth.example_ids):
    scores.add(noisy_logits.of_image(truth, example_id, row.num_classes))
  shown = list(scores.result()['images'].values())
  in_order = list(alone(row, truth, Evaluation(num_images=2))['images'].values())
  np.testing.assert_equal(shown, in_order[::-1])
  assert not np.array_equal(*shown)


def test_a_fault_of_one_worker_ends_all_with_its_line(folders, monkeypatch):
  monkeypatch.setattr(spread_scores, '_STEPS', 2)
  row = catalog.get('shapes_panoptic')
  truths = [GroundTruth(folders['shapes_panoptic'], row.name) for _ in range(3)]
  def refuse(example_id):
    raise UserError(f'the image of {example_id} cannot be read')
  monkeypatch.setattr(truths[1], 'image', refuse)
  results = spread(row, truths, Evaluation(num_images=3))
  assert all(isinstance(result, UserError) for result in results), results
  assert {str(result) for result in results} == {
      f'worker 1: the image of {truths[1].example_ids[1]} cannot be read'}


class Broken(Exception):
  """A failure that is not the user's."""


def test_what_is_not_the_users_fault_is_raised_where_it_is(folders, monkeypatch):
  monkeypatch.setattr(spread_scores, '_STEPS', 3)
  row = catalog.get('shapes_panoptic')
  truths = [GroundTruth(folders['shapes_panoptic'], row.name) for _ in range(2)]
  def fail(example_id):
    raise Broken(example_id)
  monkeypatch.setattr(truths[1], 'image', fail)
  first, second = spread(row, truths, Evaluation(num_images=2))
  assert isinstance(second, Broken)
  assert isinstance(first, UserError) and str(first).startswith('worker 1: Broken: ')


def test_other_records_on_a_worker(folders, tmp_path_factory):
  row = catalog.get('shapes_panoptic')
  other = shapes_records(tmp_path_factory.mktemp, COUNT, 1)
  truths = [GroundTruth(folders['shapes_panoptic'], row.name),
            GroundTruth(f'{other}/train*', row.name)]
  results = spread(row, truths, Evaluation(num_images=0))
  assert {str(result) for result in results} == {
      'worker 0: worker 1 scored an image that the validation records of worker 0 do not hold; '
      'give all workers the same records'}
