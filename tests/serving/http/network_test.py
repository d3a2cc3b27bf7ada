"""Answers from kept logits: those of the predictor, at any thresholds, without the network."""

import numpy as np
import pytest

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import registry
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.modeling.postprocessing import predictions
from tf_maskformer.modeling.postprocessing.instance import instances
from tf_maskformer.modeling.postprocessing.panoptic import panoptic
from tf_maskformer.modeling.postprocessing.semantic import as_segments
from tf_maskformer.modeling.postprocessing.sizes import Sizes
from tf_maskformer.serving.http.kept import Kept
from tf_maskformer.serving.http.kept import Store
from tf_maskformer.serving.http.network import Network
from tf_maskformer.serving.http.thresholds import Thresholds
from tf_maskformer.serving.loading import Loaded
from tf_maskformer.serving.predictor import Predictor

NAME = 'maskformer_shapes_panoptic'
DATA_SET = catalog.get('shapes_panoptic')
KINDS = ('panoptic', 'instance', 'semantic')
NUM_INSTANCES = 20
PADDED, RESIZED, OWN = (64, 96), (60, 91), (40, 61)  # heights and widths


def experiment_of(kind='panoptic', score=0.25, overlap=0.5):
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
  evaluation.instances_per_image = NUM_INSTANCES
  task.model.size_divisibility = 32
  task.resolve()
  return experiment


@pytest.fixture(scope='module', name='model')
def make_model():
  return build_model(experiment_of().task.model, seed=0)


@pytest.fixture(scope='module', name='networks')
def make_networks(model):
  def network_of(kind):
    return Network(Loaded(NAME, experiment_of(kind), model, DATA_SET, None), Store(10**8))
  return {kind: network_of(kind) for kind in KINDS}


def drawn():
  return np.random.default_rng(0).integers(0, 256, [*OWN, 3], np.uint8)


def kept():
  """Returns logits of a dozen discs that overlap, of every class and of all scores."""
  rng = np.random.default_rng(3)
  queries = 12
  classes = len(DATA_SET.classes)
  class_logits = rng.normal(0, 1, [queries, classes + 1]).astype(np.float32)
  class_logits[np.arange(queries), np.arange(queries) % classes] += np.linspace(0, 6, queries)
  rows, columns = np.mgrid[:PADDED[0] // 4, :PADDED[1] // 4]
  centers = rng.uniform([0, 0], [15, 22], [queries, 2])
  distance = np.hypot(rows - centers[:, 0, None, None], columns - centers[:, 1, None, None])
  mask_logits = (2 * (6 - distance)).astype(np.float32)
  sizes = tuple(np.array(size, np.int32) for size in (PADDED, RESIZED, OWN))
  return Kept(drawn(), {'class_logits': class_logits, 'mask_logits': mask_logits}, sizes)


def expected(kind, score, overlap):
  """Returns id map and segments of these logits by the functions in NumPy."""
  logits = kept().logits
  class_logits = logits['class_logits']
  mask_logits = logits['mask_logits']
  sizes = Sizes(PADDED, RESIZED, OWN)
  if kind == 'panoptic':
    return panoptic(class_logits, mask_logits, sizes, DATA_SET.thing_classes, score, overlap)
  if kind == 'instance':
    found = instances(class_logits, mask_logits, sizes, NUM_INSTANCES)
    return predictions.drawable(found, OWN, score)
  return as_segments(predictions.labels_of(logits, sizes, resize_first=False))


@pytest.mark.parametrize('kind', KINDS)
def test_any_thresholds(networks, kind):
  counts = []
  for score, overlap in ((0.0, 0.0), (0.3, 0.0), (0.7, 0.0), (0.3, 0.8), (1.0, 0.0)):
    result = networks[kind].result(kept(), Thresholds(score, overlap))
    id_map, segments = expected(kind, score, overlap)
    assert result.task == kind
    np.testing.assert_array_equal(result.id_map, id_map)
    assert [(s.id, s.class_id) for s in result.segments] == [
        (row['id'], row['category_id']) for row in segments]
    for segment, row in zip(result.segments, segments):
      assert segment.score == pytest.approx(row.get('score'), abs=1e-5)
      assert segment.is_thing == DATA_SET.classes[segment.class_id].isthing
    counts.append(len(segments))
  assert counts[0] > 3 and (kind == 'semantic' or len(set(counts)) >= 3)  # they have an effect


def test_an_image_is_answered_as_by_the_predictor_and_again_without_the_network(
    networks, model, monkeypatch):
  network = networks['panoptic']
  image = drawn()
  answer, = network.predict([image])
  by_predictor = Predictor(model, experiment_of().task, DATA_SET).predict(image)
  np.testing.assert_array_equal(answer.result.id_map, by_predictor.id_map)
  monkeypatch.setattr(network, '_logits', None)  # it must not run
  again = network.again(answer.token, network.thresholds)
  np.testing.assert_array_equal(again.result.id_map, by_predictor.id_map)
  nothing = network.again(answer.token, Thresholds(1.0))
  assert again.token == nothing.token == answer.token
  assert not nothing.result.segments and not nothing.result.id_map.any()
  assert network.again('another', Thresholds()) is None


def test_instances_of_every_score_are_in_cocos_results(networks):
  found = [networks['instance'].result(kept(), Thresholds(score)).to_coco(1) for score in (0, 1)]
  assert found[0] == found[1] and len(found[0]) > NUM_INSTANCES / 2


def test_thresholds_that_act(networks):
  assert networks['panoptic'].acting == {'score': 0.25, 'overlap': 0.5}
  assert networks['instance'].acting == {'score': 0.5}
  assert networks['semantic'].acting == {}
