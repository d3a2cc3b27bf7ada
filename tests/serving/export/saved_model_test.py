"""The SavedModel answers as the checkpoint does: every signature, every task, odd sizes."""

import io
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.serving.export import small
from tf_maskformer.errors import UserError
from tf_maskformer.serving.export import compare
from tf_maskformer.serving.export import metadata
from tf_maskformer.serving.export import saved_model
from tf_maskformer.serving.export import warm_up
from tf_maskformer.serving.export.plan import Plan
from tf_maskformer.serving.export.reference import Reference
from tf_maskformer.serving.export.road import Road

BYTES = saved_model.ENCODED_INPUT


def write(folder, plan, *changes, name=small.PANOPTIC):
  found = small.loaded(name, *changes)
  road = Road(found, plan)
  saved_model.write(road, plan, folder)
  return found, road


def assert_equal(expected, found, task):
  difference = compare.difference(expected, found, task)
  assert not difference.exceeds(compare.tolerance_of('float32', False)), difference


@pytest.fixture(scope='module', name='panoptic')
def write_panoptic(tmp_path_factory):
  """Returns a folder with a panoptic SavedModel that resizes, and the checkpoint's answers."""
  folder = tmp_path_factory.mktemp('panoptic')
  plan = Plan('saved_model', 'panoptic')
  found, road = write(folder, plan, small.RESIZED)
  content = metadata.make(road, plan, 'panoptic')
  return folder, Reference(found, plan), content


def test_any_size(panoptic):
  folder, checkpoint, _ = panoptic
  runtime = saved_model.Runtime(folder)
  segments = 0
  for image in small.images():
    expected = checkpoint.run(image)
    found = {**runtime.run(image), **runtime.logits(image)}
    assert_equal(expected, found, 'panoptic')
    assert found['id_map'].shape == image.shape[:2] and found['id_map'].dtype == np.int32
    assert found['count'] == expected['count']
    np.testing.assert_array_equal(found['classes'], expected['classes'])
    np.testing.assert_allclose(found['scores'], expected['scores'], atol=1e-5)
    segments += int(found['count'])
  assert segments > 3  # there is something to compare


def test_a_batch_is_its_images(panoptic):
  folder, checkpoint, _ = panoptic
  answer = tf.saved_model.load(str(folder)).signatures['serving_default']
  images = np.stack([small.images()[1], small.images()[1][:, ::-1]])
  together = answer(image=tf.constant(images))
  for number, image in enumerate(images):
    alone = checkpoint.run(image)
    assert (together['id_map'][number].numpy() == alone['id_map']).mean() > 0.999
    assert together['count'][number] == alone['count']


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'GIF', 'BMP'])
def test_encoded_images(panoptic, kind):
  folder, checkpoint, _ = panoptic
  loaded = tf.saved_model.load(str(folder))
  buffer = io.BytesIO()
  Image.fromarray(small.images()[1]).save(buffer, kind)
  decoded = np.asarray(Image.open(buffer).convert('RGB'))
  found = loaded.signatures['encoded'](image_bytes=tf.constant(buffer.getvalue()))
  expected = checkpoint.run(decoded)
  assert found['id_map'].shape == decoded.shape[:2]
  share = (found['id_map'].numpy() == expected['id_map']).mean()
  assert share > (0.98 if kind == 'JPEG' else 0.999)  # decoders of JPEG differ by gray levels


def session_run(folder, signature, feeds):
  """Runs a signature by the names of its tensors, as a server does."""
  with tf.compat.v1.Session(graph=tf.Graph()) as session:
    model = tf.compat.v1.saved_model.load(session, ['serve'], str(folder))
    definition = model.signature_def[signature]
    tensors = {definition.inputs[name].name: value for name, value in feeds.items()}
    return session.run(
        {name: info.name for name, info in definition.outputs.items()}, tensors), definition


def test_thresholds_may_be_left_out(panoptic):
  folder, checkpoint, _ = panoptic
  image = small.images()[0]
  usual, definition = session_run(folder, 'with_thresholds', {'image': image[None]})
  assert sorted(definition.defaults) == ['object_mask_threshold', 'overlap_threshold']
  assert usual['count'][0] == checkpoint.run(image)['count'] > 0
  strict, _ = session_run(
      folder, 'with_thresholds', {'image': image[None], 'object_mask_threshold': 0.9999})
  assert strict['count'][0] == 0 and not strict['id_map'].any()


def test_requests_as_protobufs(panoptic):
  predict_pb2 = pytest.importorskip('tensorflow_serving.apis.predict_pb2')
  folder, checkpoint, content = panoptic
  for made in warm_up.requests(content):
    request = predict_pb2.PredictRequest.FromString(made.SerializeToString())
    feeds = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
    found, _ = session_run(folder, request.model_spec.signature_name, feeds)
    assert found['id_map'].shape[-2:] == (48, 64)
  image = small.images()[1]
  request = predict_pb2.PredictRequest()
  request.model_spec.signature_name = 'serving_default'
  request.inputs['image'].CopyFrom(tf.make_tensor_proto(image[None]))
  request = predict_pb2.PredictRequest.FromString(request.SerializeToString())
  found, _ = session_run(
      folder, 'serving_default', {'image': tf.make_ndarray(request.inputs['image'])})
  assert (found['id_map'][0] == checkpoint.run(image)['id_map']).mean() > 0.999


def test_the_warm_up_file(panoptic, tmp_path):
  logs = pytest.importorskip('tensorflow_serving.apis.prediction_log_pb2')
  warm_up.write(tmp_path, panoptic[2])
  records = [logs.PredictionLog.FromString(record.numpy()) for record in
             tf.data.TFRecordDataset(str(tmp_path / warm_up.PATH))]
  signatures = [log.predict_log.request.model_spec.signature_name for log in records]
  assert signatures == ['serving_default', 'encoded']


def test_classes_are_an_asset(panoptic):
  folder, _, content = panoptic
  listed = json.loads((folder / 'assets' / 'classes.json').read_text())
  assert listed == content['classes'] and listed[0]['name'] == 'disc'
  assert not (folder / 'classes.json').exists()


def test_what_keras_would_add_is_left_out(panoptic):
  assert not (panoptic[0] / 'keras_metadata.pb').exists()
  found = saved_model.operations(panoptic[0])
  assert 'Conv2D' in found and not set(found) & set(saved_model._FORBIDDEN)


@pytest.mark.parametrize('task, change', [
    ('semantic', small.SEMANTIC), ('instance', small.INSTANCE), ('raw', '')])
def test_other_tasks_and_mask2former_at_odd_sizes(tmp_path, task, change):
  plan = Plan('saved_model', task)
  changes = [change] if change else []
  found, _ = write(tmp_path, plan, *changes, name=small.MASK2FORMER)
  runtime = saved_model.Runtime(tmp_path)
  checkpoint = Reference(found, plan)
  for image in small.images():
    expected = checkpoint.run(image)
    assert_equal(expected, {**runtime.run(image), **runtime.logits(image)}, task)


def test_one_size(tmp_path):
  plan = Plan('saved_model', 'panoptic', (40, 72))
  found, _ = write(tmp_path, plan, name=small.MASK2FORMER)
  assert not {'XlaLaunch', 'XlaLaunchV2'} & set(saved_model.operations(tmp_path))
  runtime = saved_model.Runtime(tmp_path)
  image = small.samples.draw((40, 72), 3)
  assert_equal(Reference(found, plan).run(image),
               {**runtime.run(image), **runtime.logits(image)}, 'panoptic')


def test_a_function_that_only_xla_runs_is_found(tmp_path):
  module = tf.Module()
  module.f = tf.function(
      lambda x: tf.function(tf.sin, jit_compile=True)(x) + 1,
      input_signature=[tf.TensorSpec([4])])
  tf.saved_model.save(module, str(tmp_path))
  assert 'XlaLaunch' in saved_model.operations(tmp_path)


def test_a_per_pixel_model_has_no_segments():
  found = small.loaded('maskformer_shapes_panoptic')
  found.model.predictor.class_embed = None
  with pytest.raises(UserError, match='classifies pixels; give --task semantic or raw'):
    Road(found, Plan('saved_model', 'panoptic'))
