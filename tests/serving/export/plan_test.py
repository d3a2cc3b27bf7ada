"""What each format can do, and that a wrong combination is one line that names what it can."""

import pytest

from tf_maskformer.errors import UserError
from tf_maskformer.serving.export.plan import FORMATS
from tf_maskformer.serving.export.plan import Plan
from tf_maskformer.serving.export.plan import parse_size


@pytest.mark.parametrize('text, size', [
    ('dynamic', None), ('512x640', (512, 640)), ('512X640', (512, 640)), ('256', (256, 256))])
def test_sizes(text, size):
  assert parse_size(text) == size


@pytest.mark.parametrize('text', [
    '', 'x', '512x', 'x512', '512*640', '-512x512', '5.5x5', '0x512', '31x64', '64x4097',
    '512x512x3', '１２８', '99999999999', 'Dynamic', '512 x 640'])
def test_what_is_not_a_size(text):
  with pytest.raises(UserError, match='--input_size .*(is not a size|is out of range)'):
    parse_size(text)


@pytest.mark.parametrize('kind', FORMATS)
def test_the_usual_is_possible(kind):
  size = None if FORMATS[kind].takes_any_size else (64, 64)
  Plan(kind, 'panoptic', size).check()


@pytest.mark.parametrize('plan, message', [
    (Plan('saved_modl', 'raw'), 'did you mean saved_model'),
    (Plan('onnx', 'raw', precision='int8'),
     'onnx cannot be written in int8; ONNX can have float32; int8 is possible with openvino or '
     'tflite'),
    (Plan('saved_model', 'raw', precision='int8'), 'can have float32 or bfloat16; int8'),
    (Plan('tflite', 'raw'), 'tflite needs a fixed input size: give --input_size HEIGHTxWIDTH'),
    (Plan('openvino', 'raw', precision='bfloat16'),
     'openvino --precision bfloat16 needs a fixed input size'),
    (Plan('tflite', 'raw', (64, 64), precision='bfloat16'), 'LiteRT can have float32, float16 or'),
    (Plan('onnx', 'raw', layout='serving'), 'ONNX can have plain or triton; serving is possible'),
    (Plan('tflite', 'raw', (64, 64), layout='triton'), 'LiteRT can have plain'),
    (Plan('openvino', 'raw', precision='int8'), 'give --calibration_images FOLDER'),
    (Plan('openvino', 'raw', calibration='images'), '--calibration_images has no effect'),
    (Plan('tflite', 'raw', (64, 64), precision='int8', calibration='a'), 'has no effect')])
def test_refusals_name_what_is_possible(plan, message):
  with pytest.raises(UserError, match=message):
    plan.check()


def test_int8_with_images():
  plan = Plan('openvino', 'panoptic', precision='int8', calibration='images/')
  plan.check()
  assert plan.describe() == 'OpenVINO, panoptic, int8, images of any size'


def test_a_missing_package_is_one_line(monkeypatch):
  monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
  with pytest.raises(UserError, match=r'tf2onnx is not installed; run: .*tf-maskformer\[export\]'):
    Plan('onnx', 'raw').require_packages()
  with pytest.raises(UserError, match='ai-edge-litert is not installed'):
    FORMATS['tflite'].require_packages()
  with pytest.raises(UserError, match='tensorflow-serving-api is not installed'):
    Plan('saved_model', 'raw', layout='serving').require_packages()
  plain = Plan('saved_model', 'raw')
  plain.require_packages()
  assert not plain.has_warm_up
