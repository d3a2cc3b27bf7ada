"""Answers from kept logits are those of the predictor, at any thresholds, without the network."""

import numpy as np
import pytest

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import registry
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.serving.http.kept import Store
from tf_maskformer.serving.http.network import Network
from tf_maskformer.serving.http.thresholds import Thresholds
from tf_maskformer.serving.loading import Loaded
from tf_maskformer.serving.predictor import Predictor

NAME = 'maskformer_shapes_panoptic'
DATA_SET = catalog.get('shapes_panoptic')
SIZES = ((40, 61), (97, 33))


def experiment_of(kind='panoptic', score=0.0, overlap=0.0):
  experiment = registry.get(NAME)
  task = experiment.task
  task.validation_data.parser.augmentation.short_edges = [64]
  task.validation_data.parser.augmentation.long_edge_limit = 96
  evaluation = task.evaluation
  evaluation.panoptic = kind == 'panoptic'
  evaluation.instance = kind == 'instance'
  evaluation.semantic = kind == 'semantic'
  evaluation.object_mask_threshold = score
  evaluation.overlap_threshold = overlap
  evaluation.instances_per_image = 20
  task.model.size_divisibility = 32
  task.resolve()
  return experiment


@pytest.fixture(scope='module', name='model')
def make_model():
  model = build_model(experiment_of().task.model, seed=0)
  rng = np.random.default_rng(1)
  bias = rng.normal(0, 1, model.predictor.class_embed.bias.shape)
  bias[-1] = -3  # segments to look at, of several classes and scores
  model.predictor.class_embed.bias.assign(bias)
  weight = model.predictor.class_embed.weight
  weight.assign(rng.normal(0, 0.5, weight.shape))
  return model


def network_of(model, **options):
  return Network(Loaded(NAME, experiment_of(**options), model, DATA_SET, None), Store(10**8))


def predictor_of(model, **options):
  return Predictor(model, experiment_of(**options).task, DATA_SET)


def drawn():
  rng = np.random.default_rng(0)
  return [rng.integers(0, 256, [*size, 3], np.uint8) for size in SIZES]


def assert_equal(result, expected):
  assert result.task == expected.task
  differing = np.mean(result.id_map != expected.id_map)
  assert differing < 0.001
  assert len(result.segments) == len(expected.segments)
  for segment, other in zip(result.segments, expected.segments):
    assert (segment.id, segment.class_id) == (other.id, other.class_id)
    assert abs(segment.area - other.area) <= 0.001 * result.id_map.size
    assert (segment.score is None) == (other.score is None)
    assert abs((segment.score or 0) - (other.score or 0)) < 1e-5


@pytest.mark.parametrize('kind', ['panoptic', 'instance', 'semantic'])
def test_as_the_predictor(model, kind):
  images = drawn()
  network = network_of(model, kind=kind)
  predictor = predictor_of(model, kind=kind)
  for answer, image in zip(network.predict(images), images):
    expected = predictor.predict(image)
    if kind != 'instance':
      assert len(expected.segments) > 1
      assert_equal(answer.result, expected)
    assert len(answer.result.to_coco(1)) == len(expected.to_coco(1))


def test_other_thresholds_without_the_network(model, monkeypatch):
  image = drawn()[0]
  network = network_of(model)
  answer, = network.predict([image])
  scores = sorted(segment.score for segment in answer.result.segments)
  middle = (scores[0] + scores[-1]) / 2
  monkeypatch.setattr(network, '_logits', None)  # it must not run
  for score, overlap in ((middle, 0.0), (0.0, 0.6), (1.0, 0.0)):
    again = network.again(answer.token, Thresholds(score, overlap))
    assert again.token == answer.token
    expected = predictor_of(model, score=score, overlap=overlap).predict(image)
    assert_equal(again.result, expected)
    assert len(expected.segments) < len(scores)  # they have an effect
  assert network.again('another', Thresholds()) is None


def test_instances_above_a_score(model):
  network = network_of(model, kind='instance')
  answer, = network.predict(drawn()[:1])
  found = answer.result.to_coco(1)
  scores = sorted((row['score'] for row in found), reverse=True)
  middle = (scores[0] + scores[-1]) / 2
  again = network.again(answer.token, Thresholds(middle))
  assert len(again.result.segments) == sum(score > middle for score in scores) > 0
  assert again.result.to_coco(1) == found  # of every score, as always


def test_thresholds_that_act(model):
  assert network_of(model, score=0.25, overlap=0.5).acting == {'score': 0.25, 'overlap': 0.5}
  assert network_of(model, kind='instance').acting == {'score': 0.5}
  assert network_of(model, kind='semantic').acting == {}
