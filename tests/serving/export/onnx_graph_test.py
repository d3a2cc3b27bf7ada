"""The ONNX export answers as the checkpoint does, and has standard operators only."""

import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from PIL import Image

from tests.serving.export import formats
from tests.serving.export import small
from tf_maskformer.errors import UserError
from tf_maskformer.ops.sigmoid import sigmoid
from tf_maskformer.serving.export import context
from tf_maskformer.serving.export import onnx_graph
from tf_maskformer.serving.export.plan import Plan


@pytest.fixture(scope='module', name='mask2former')
def write_mask2former(tmp_path_factory):
  """Returns the folder, the runtime and the checkpoint of a panoptic Mask2Former."""
  folder = tmp_path_factory.mktemp('mask2former')
  plan = Plan('onnx', 'panoptic')
  return folder, plan, *formats.write(folder, plan, name=small.MASK2FORMER)


def test_any_size(mask2former):
  _, plan, runtime, checkpoint = mask2former
  segments = 0
  for image in small.images():
    expected = checkpoint.run(image)
    found = runtime.run(image)
    formats.assert_near(expected, found, plan)
    assert found['id_map'].shape == image.shape[:2] and found['id_map'].dtype == np.int32
    segments += int(found['count'])
  assert segments > 3  # there is something to compare


def test_standard_operators(mask2former):
  folder, *_ = mask2former
  model = onnx.load(folder / 'model.onnx')
  assert model.opset_import[0].version == onnx_graph.OPSET
  assert not onnx_graph.unknown_operators(model)
  found = onnx_graph.operators(model)
  assert found['GridSample'] == 3  # one for each level of the one layer
  assert found['ScatterElements'] and not found['Unique']
  assert not {'Loop', 'If'} & set(found)
  given, = model.graph.input
  assert [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim] == [
      'height', 'width', 3]


def test_the_script_in_the_folder(mask2former, tmp_path):
  folder, _, runtime, _ = mask2former
  image = small.images()[1]
  Image.fromarray(image).save(tmp_path / 'photo.png')
  done = subprocess.run(
      [sys.executable, 'run.py', str(tmp_path / 'photo.png'), '--output', str(tmp_path / 'out')],
      cwd=folder, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr
  row, = json.loads((tmp_path / 'out' / 'photo.json').read_text())['annotations']
  assert len(row['segments_info']) == runtime.run(image)['count'] > 0
  ids = np.asarray(Image.open(tmp_path / 'out' / 'photo.png')).astype(int) @ [1, 256, 65536]
  np.testing.assert_array_equal(ids, runtime.run(image)['id_map'])
  assert (tmp_path / 'out' / 'photo_overlay.png').is_file()


@pytest.mark.slow
def test_instances_that_are_resized(tmp_path):
  plan = Plan('onnx', 'instance')
  runtime, checkpoint = formats.write(tmp_path, plan, small.RESIZED, small.INSTANCE)
  for image in small.images():
    formats.assert_near(checkpoint.run(image), runtime.run(image), plan, is_resized=True)


def test_small_probabilities_keep_their_digits():
  logits = np.linspace(-80, 80, 1001, dtype=np.float32)
  frozen = context.freeze(
      lambda x: {'y': sigmoid(x)}, tf.TensorSpec([None], tf.float32, 'x'), context.PORTABLE)
  model = onnx_graph.convert_frozen(frozen, ('y',))
  session = onnxruntime.InferenceSession(model.SerializeToString())
  found, = session.run(None, {'x': logits})
  np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits.astype(np.float64))), rtol=2e-6)


def test_what_onnx_does_not_have_is_an_error():
  """tf2onnx writes a file all the same, and only logs."""
  spec = tf.TensorSpec([None], tf.float32, 'x')
  frozen = context.freeze(lambda x: {'y': tf.math.erfc(x)}, spec)
  with pytest.raises(UserError, match='operations that ONNX does not have: Erfc'):
    onnx_graph.convert_frozen(frozen, ('y',))
