"""Flags of the benchmark: what cannot be measured is refused before a process is started."""

import pytest

from tests.records import shapes_records
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import benchmark
from tf_maskformer.scripts import benchmark_input
from tf_maskformer.scripts import benchmark_scores
from tf_maskformer.tasks.scores import Scores


@pytest.mark.parametrize('argv, message', [
    (['--size', '0'], '--size must be in 32'), (['--size', '100'], 'multiple of 16'),
    (['--batch', '0'], '--batch must be in 1'), (['--repeats', '-1'], '--repeats must be'),
    (['--batch', '4', '--micro_batch', '3'], 'does not divide --batch 4'),
    (['--data_set', 'coco_panoptc'], 'did you mean coco_panoptic'),
    (['--size', 'x'], 'invalid int value'),
    (['--model', 'x'], 'invalid choice')])
def test_refused(argv, message):
  with pytest.raises(UserError, match=message):
    benchmark.check(benchmark.flags().parse(argv))


def test_defaults_are_taken():
  benchmark.check(benchmark.flags().parse([]))


def test_every_recipe_has_an_input_pipeline(tmp_path_factory, monkeypatch):
  names = benchmark_input.recipes()
  assert len(names) == 14 and len(set(names.values())) == 14
  two = {title: names[title] for title in (
      'mask2former coco_panoptic panoptic', 'maskformer ade20k semantic')}
  monkeypatch.setattr(benchmark_input, 'recipes', lambda: two)
  pattern = f'{shapes_records(tmp_path_factory.mktemp, 1, 2)}/val*'
  seconds = benchmark_input.core_seconds_per_image(pattern, 'shapes_panoptic', repeats=1)
  assert list(seconds) == list(two) and min(seconds.values()) > 0


def test_the_evaluators_score_logits_that_find_something(tmp_path_factory):
  pattern = f'{shapes_records(tmp_path_factory.mktemp, 1, 2)}/val*'
  seconds = benchmark_scores.seconds_per_image(pattern, 'shapes_panoptic', repeats=1)
  assert list(seconds) == list(benchmark_scores._KINDS) and min(seconds.values()) > 0
  data_set = catalog.get('shapes_panoptic')
  truth = GroundTruth(pattern, 'shapes_panoptic')
  scores = Scores(Evaluation(num_images=0), data_set, truth)
  for example_id in truth.example_ids:
    scores.add(benchmark_scores._output(truth, example_id, data_set.num_classes))
  assert 50 < scores.result()['pq_all'] < 100
