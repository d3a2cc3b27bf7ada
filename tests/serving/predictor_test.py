"""Images of any size and kind become maps of their own size, in batches as one by one."""

import numpy as np
import pytest
from PIL import Image

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import registry
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.serving.predictor import Predictor

SIZES = ((40, 61), (97, 33), (1, 9), (40, 61), (61, 40), (40, 61))


def task_of(short_edges=()):
  task = registry.get('maskformer_shapes_panoptic').task
  task.validation_data.parser.augmentation.short_edges = list(short_edges)
  task.validation_data.parser.augmentation.long_edge_limit = 96 if short_edges else 0
  task.evaluation.object_mask_threshold = task.evaluation.overlap_threshold = 0.0
  task.model.size_divisibility = 32
  task.resolve()
  return task


@pytest.fixture(scope='module', name='model')
def make_model():
  model = build_model(task_of().model, seed=0)
  model.predictor.class_embed.bias.assign([0.0] * 7 + [-20.0])  # nothing is no-object
  return model


def predictor_of(model, short_edges=(48,), kind='panoptic'):
  task = task_of(short_edges)
  task.evaluation.panoptic = kind == 'panoptic'
  task.evaluation.semantic = kind == 'semantic'
  task.evaluation.instance = kind == 'instance'
  return Predictor(model, task, catalog.get(task.data_set))


def images():
  rng = np.random.default_rng(0)
  return [rng.integers(0, 256, [*size, 3], np.uint8) for size in SIZES]


def test_it_says_what_it_predicts(model):
  predictor = predictor_of(model)
  assert [c.name for c in predictor.classes] == [
      c.name for c in catalog.get('shapes_panoptic').classes]
  assert (predictor.short_edge, predictor.long_edge_limit) == (48, 96)
  assert predictor_of(model, ()).short_edge == 0
  for kind in ('panoptic', 'semantic', 'instance'):
    assert predictor_of(model, kind=kind).task == kind


@pytest.mark.parametrize('short_edges', [[], [48]])
def test_any_size(model, short_edges):
  predictor = predictor_of(model, short_edges)
  for image in images()[:3]:
    result = predictor.predict(image)
    assert result.id_map.shape == result.size == image.shape[:2]
    assert set(np.unique(result.id_map)) - {0} == {s.id for s in result.segments}
    assert result.segments


@pytest.mark.parametrize('kind', ['panoptic', 'semantic', 'instance'])
def test_extreme_shapes(model, kind, tmp_path):
  predictor = predictor_of(model, kind=kind)
  rng = np.random.default_rng(0)
  extremes = [rng.integers(0, 256, [*size, 3], np.uint8) for size in ((1, 600), (600, 1), (1, 1))]
  for image, result in zip(extremes, predictor.predict(extremes)):
    assert result.id_map.shape == image.shape[:2]
    result.save_images(tmp_path)


@pytest.mark.parametrize('batch_size', [1, 2, 4])
def test_batches_change_nothing_but_rounding(model, batch_size):
  predictor = predictor_of(model)
  alone = [predictor.predict(image) for image in images()]
  assert len({tuple(s.class_id for s in result.segments) for result in alone}) > 1  # order matters
  together = predictor.predict(images(), batch_size)
  assert len(together) == len(alone)
  for one, other in zip(alone, together):
    np.testing.assert_array_equal(one.image, other.image)
    assert [s.class_id for s in one.segments] == [s.class_id for s in other.segments]
    np.testing.assert_allclose(
        [s.score for s in one.segments], [s.score for s in other.segments], atol=1e-5)
    assert (one.id_map != other.id_map).mean() < 2e-3


def test_logits_of_a_batch_are_those_of_its_images(model):
  predictor = predictor_of(model)
  batch = np.stack([image for image in images() if image.shape[:2] == (40, 61)])
  assert len(batch) == 3
  together, _ = predictor._logits(batch)
  for number in range(3):
    alone, _ = predictor._logits(batch[number:number + 1])
    for name, value in alone.items():
      np.testing.assert_allclose(value[0], together[name][number], rtol=0, atol=2e-5, err_msg=name)


def test_images_of_one_size_run_together(model, monkeypatch):
  predictor = predictor_of(model)
  counts = []
  run = predictor._run
  def counted(batch):
    counts.append(batch.shape[0])
    return run(batch)
  monkeypatch.setattr(predictor, '_run', counted)
  predictor.predict(images(), batch_size=6)
  assert sorted(counts) == [1, 1, 1, 3]


def test_a_stream_takes_a_batch_at_a_time(model):
  taken = []
  def source():
    for image in images():
      taken.append(image)
      yield image
  stream = predictor_of(model).predict_stream(source(), batch_size=2)
  assert not taken
  next(stream)
  assert len(taken) == 2
  next(stream)
  assert len(taken) == 2
  assert len(list(stream)) == 4


def test_every_kind_of_image_gives_one_result(model, tmp_path):
  predictor = predictor_of(model)
  array = images()[0]
  path = tmp_path / 'street.png'
  Image.fromarray(array).save(path)
  expected = predictor.predict(array)
  assert expected.name == 'image'
  for given in (path, str(path), Image.open(path), Image.fromarray(array)):
    np.testing.assert_array_equal(predictor.predict(given).id_map, expected.id_map)
  assert predictor.predict(path).name == predictor.predict(Image.open(path)).name == 'street'
  listed, = predictor.predict([path])
  np.testing.assert_array_equal(listed.id_map, expected.id_map)
  assert predictor.predict(()) == []


def test_mistakes(model):
  predictor = predictor_of(model)
  with pytest.raises(UserError, match='batch size of 0 is below 1'):
    predictor.predict(images(), batch_size=0)
  with pytest.raises(UserError, match='several images as a list'):
    predictor.predict(np.stack([images()[0]] * 2))
