"""The OpenVINO export answers as the checkpoint does; int8 stays near."""

import numpy as np
import openvino
import pytest
import tensorflow as tf
from PIL import Image

from tests.serving.export import formats
from tests.serving.export import small
from tf_maskformer.errors import UserError
from tf_maskformer.serving.export import calibration
from tf_maskformer.serving.export import context
from tf_maskformer.serving.export import openvino_ir
from tf_maskformer.serving.export import samples
from tf_maskformer.serving.export.plan import Plan
from tf_maskformer.serving.export.road import Road


def test_any_size(tmp_path):
  plan = Plan('openvino', 'panoptic')
  runtime, checkpoint = formats.write(tmp_path, plan, name=small.MASK2FORMER)
  for image in small.images():
    expected = checkpoint.run(image)
    found = runtime.run(image)
    formats.assert_near(expected, found, plan)
    assert found['id_map'].shape == image.shape[:2] and found['id_map'].dtype == np.int32
    assert found['count'] == expected['count'] > 0
  assert 'NonZero' in openvino_ir.operations(tmp_path)
  assert {path.name for path in tmp_path.iterdir()} == {
      'metadata.json', 'model.xml', 'model.bin', 'run.py', 'fitting.py'}


def test_a_fixed_size_in_half_the_bytes(tmp_path):
  plan = Plan('openvino', 'semantic', (64, 96), 'float16')
  runtime, checkpoint = formats.write(tmp_path, plan, small.SEMANTIC)
  image = samples.draw((64, 96), 3)
  formats.assert_near(checkpoint.run(image), runtime.run(image), plan)
  weights = openvino.Core().read_model(tmp_path / 'model.xml')
  kinds = {op.get_element_type().get_type_name() for op in weights.get_ops()
           if op.get_type_name() == 'Constant' and op.get_byte_size() > 10000}
  assert kinds == {'f16'}
  # An image of another size is fitted in and comes back.
  assert runtime.predict(small.images()[1])['labels'].shape == small.images()[1].shape[:2]


@pytest.fixture(name='photos')
def write_photos(tmp_path):
  """Returns a folder of images, one of them in a subfolder."""
  (tmp_path / 'photos' / 'more').mkdir(parents=True)
  for number in range(3):
    Image.fromarray(samples.draw((64, 80), number)).save(tmp_path / 'photos' / f'{number}.png')
  Image.fromarray(samples.draw((64, 80), 3)).save(tmp_path / 'photos' / 'more' / '3.jpg')
  return tmp_path / 'photos'


def test_int8(photos, tmp_path):
  folder = tmp_path / 'exported'
  folder.mkdir()
  plan = Plan('openvino', 'raw', precision='int8', calibration=str(photos))
  runtime, checkpoint = formats.write(folder, plan)
  image = samples.draw((64, 80), 7)
  expected = checkpoint.run(image)['mask_logits']
  found = runtime.run(image)['mask_logits']
  error = np.sqrt(((found - expected)**2).mean() / (expected**2).mean())
  assert 1e-4 < error < 0.15  # it is 8 bits, and it is near
  operations = openvino.Core().read_model(folder / 'model.xml').get_ops()
  weights = [op for op in operations if op.get_type_name() == 'Constant'
             and op.get_element_type().get_type_name() == 'i8']
  assert len(weights) >= 20  # convolutions of the backbone, whose names are folded away, too


def test_what_stays_in_float():
  image = tf.TensorSpec([None, None, 3], tf.uint8, 'image')
  for name in (small.PANOPTIC, small.MASK2FORMER):
    road = Road(small.loaded(name), Plan('openvino', 'panoptic'))
    model = openvino_ir.convert_frozen(context.freeze(road.whole, image), road.outputs)
    types = {op.get_friendly_name(): op.get_type_name() for op in model.get_ops()}
    kept = calibration.in_float(model)
    quantized = set(types) - set(kept)
    assert not [one for one in kept if types[one] == 'Convolution' and '_decoder' not in one]
    for layer in ('deformable_attention', 'masked_decoder'):
      assert not [one for one in quantized if layer in one]
      assert name != small.MASK2FORMER or [one for one in kept if layer in one]
    # Of the answer and of the resizing nothing.
    assert not {types[one] for one in quantized} & {'TopK', 'NonZero', 'FloorMod', 'Result'}


def test_calibration_images(photos, tmp_path, monkeypatch):
  assert [path.name for path in calibration.images_in(photos)] == [
      '0.png', '1.png', '2.png', '3.jpg']
  monkeypatch.setattr(calibration, 'MOST_IMAGES', 2)
  assert [path.name for path in calibration.images_in(photos)] == ['0.png', '2.png']
  (tmp_path / 'empty').mkdir()
  with pytest.raises(UserError, match='holds no images'):
    calibration.images_in(tmp_path / 'empty')
  with pytest.raises(UserError, match='is not a directory'):
    calibration.images_in(tmp_path / 'nowhere')
