"""An exported folder is enough: it loads, predicts as its checkpoint does, and says what is wrong.
"""

import json
import shutil

import numpy as np
import pytest

import tf_maskformer
from tests.serving.export import small
from tf_maskformer.errors import UserError
from tf_maskformer.serving import loading
from tf_maskformer.serving.export import metadata
from tf_maskformer.serving.export import saved_model
from tf_maskformer.serving.export.plan import Plan
from tf_maskformer.serving.export.road import Road
from tf_maskformer.serving.exported import Exported
from tf_maskformer.serving.predictor import Predictor


def export(folder, task, size=None, *changes):
  """Writes an export of the small model; returns its predictor."""
  found = small.loaded(small.PANOPTIC, *changes)
  plan = Plan('saved_model', task, size)
  road = Road(found, plan)
  saved_model.write(road, plan, folder)
  kind = Predictor(found.model, found.experiment.task, found.data_set).task
  (folder / metadata.NAME).write_text(json.dumps(metadata.make(road, plan, kind)))
  metadata.seal(folder)
  return Predictor(found.model, found.experiment.task, found.data_set)


@pytest.fixture(scope='module', name='raw')
def write_raw(tmp_path_factory):
  folder = tmp_path_factory.mktemp('raw')
  return folder, export(folder, 'raw', None, small.RESIZED)


@pytest.fixture(name='copy')
def copy_raw(raw, tmp_path):
  shutil.copytree(raw[0], tmp_path / 'copy')
  return tmp_path / 'copy'


def assert_same(expected, found):
  assert [s.label for s in expected.segments] == [s.label for s in found.segments]
  np.testing.assert_allclose(
      [s.score for s in expected.segments], [s.score for s in found.segments], atol=1e-5)
  assert (expected.id_map == found.id_map).mean() > 0.999
  np.testing.assert_array_equal(expected.image, found.image)


@pytest.mark.parametrize('change', ['', small.INSTANCE])
def test_it_predicts_as_its_checkpoint(tmp_path, change):
  changes = [change] if change else []
  checkpoint = export(tmp_path, 'instance' if change else 'panoptic', None, *changes)
  model = tf_maskformer.load(tmp_path)
  assert isinstance(model, Exported) and model.task == checkpoint.task
  assert [c.name for c in model.classes] == [c.name for c in checkpoint.classes]
  for one, other in zip(checkpoint.predict(small.images()), model.predict(small.images())):
    assert_same(one, other)


def test_logits_are_answered_on_the_host(raw, tmp_path):
  folder, checkpoint = raw
  model = tf_maskformer.load(str(folder))
  assert (model.task, model.short_edge, model.long_edge_limit) == ('panoptic', 48, 96)
  results = model.predict(small.images(), batch_size=2)
  assert sum(len(result.segments) for result in results) > 3
  for one, other in zip(checkpoint.predict(small.images()), results):
    assert_same(one, other)
  results[1].save(tmp_path)
  assert (tmp_path / 'image_overlay.png').exists()
  with pytest.raises(UserError, match='batch size of 0 is below 1'):
    model.predict(small.images(), batch_size=0)


@pytest.mark.slow
def test_images_are_fitted_into_one_size(tmp_path):
  export(tmp_path, 'panoptic', (64, 96))
  model = tf_maskformer.load(tmp_path)
  for image in [*small.images(), np.zeros([1, 300, 3], np.uint8)]:
    result = model.predict(image)
    assert result.id_map.shape == image.shape[:2]
    assert set(np.unique(result.id_map)) - {0} == {s.id for s in result.segments}


def test_layouts_of_servers(raw, tmp_path):
  for place in ('serving/1', 'serving/3', 'triton/2/model.savedmodel'):
    shutil.copytree(raw[0], tmp_path / place)
  assert metadata.find(tmp_path / 'serving') == tmp_path / 'serving/3'
  assert metadata.find(tmp_path / 'serving/1') == tmp_path / 'serving/1'
  assert metadata.find(tmp_path / 'triton') == tmp_path / 'triton/2/model.savedmodel'
  assert metadata.find(tmp_path) is None
  assert metadata.find('gs://bucket/model') is None and metadata.find('a\0b') is None
  assert isinstance(tf_maskformer.load(tmp_path / 'triton'), Exported)


def test_settings_of_an_export_are_fixed(raw):
  for arguments in (dict(experiment=small.PANOPTIC), dict(overrides=['a=1'])):
    with pytest.raises(UserError, match='is an export, whose settings cannot be changed'):
      loading.load(raw[0], **arguments)


def test_an_export_is_not_a_checkpoint(raw):
  with pytest.raises(UserError, match='is an export, .*; name the checkpoint that it was made'):
    loading.open_checkpoint(raw[0])


@pytest.mark.parametrize('name, damage', [
    ('saved_model.pb', b''), ('saved_model.pb', None),
    ('variables/variables.data-00000-of-00001', b'x' * 100)])
def test_a_damaged_file_is_one_line(copy, name, damage):
  if damage is None:
    (copy / name).unlink()
  else:
    (copy / name).write_bytes(damage)
  with pytest.raises(UserError, match=f'{name} (is damaged; copy the folder again|cannot be read)'):
    tf_maskformer.load(copy)


def test_one_flipped_bit_is_found(copy):
  path = copy / 'variables/variables.data-00000-of-00001'
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)
  with pytest.raises(UserError, match='is damaged; copy the folder again'):
    tf_maskformer.load(copy)


def test_what_the_runtime_refuses_is_one_line(copy):
  (copy / 'saved_model.pb').write_bytes(b'\x08\x01')  # no graph in it
  metadata.seal(copy)
  with pytest.raises(UserError, match='cannot be loaded as SavedModel .*; export the model again'):
    tf_maskformer.load(copy)


@pytest.mark.parametrize('key, value', [
    ('format', 'onx'), ('task', None), ('kind', 'raw'), ('input_size', [1]), ('input_size', 'x'),
    ('resize', {}), ('thresholds', {}), ('classes', []), ('classes', [{'id': 1}]),
    ('classes', [{'id': 1, 'name': 'a', 'isthing': True, 'color': [1, 2, 300]}]),
    ('classes', [{'id': 1, 'name': 'a', 'isthing': True, 'color': [1, 2, 3]}] * 2),
    ('files', {'../../x': [1, 2]}), ('files', {'a': None}), ('files', None), ('data_set', 3)])
def test_metadata_of_strangers(copy, key, value):
  content = json.loads((copy / metadata.NAME).read_text())
  (copy / metadata.NAME).write_text(json.dumps({**content, key: value}))
  with pytest.raises(UserError, match='metadata.json is damaged .*; export the model again'):
    tf_maskformer.load(copy)


@pytest.mark.parametrize('text', ['', '{', '[]', '{"tf_maskformer": "0.1.0"}', '\xff' * 9])
def test_metadata_that_is_not(copy, text):
  (copy / metadata.NAME).write_bytes(text.encode('latin-1'))
  with pytest.raises(UserError, match=r'metadata\.json|no checkpoint is in the folder'):
    tf_maskformer.load(copy)
