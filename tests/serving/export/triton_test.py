"""Triton's configuration has the axes that the model has."""

import re

import pytest

from tf_maskformer.serving.export import triton


def content(kind, size=None):
  return {'format': kind, 'input': {'name': 'image'}, 'input_size': size}


def tensors(text):
  """Returns {name: (type, dims)} of a configuration."""
  found = re.findall(r'name: "(\w+)", data_type: (\w+), dims: \[ ([-0-9, ]+) \]', text)
  return {name: (kind, [int(n) for n in dims.split(',')]) for name, kind, dims in found}


def test_saved_model_has_an_axis_of_images():
  text = triton.config('coco', content('saved_model'), ['id_map', 'classes', 'scores', 'count'])
  assert text.startswith('name: "coco"\nplatform: "tensorflow_savedmodel"\nmax_batch_size: 0\n')
  assert tensors(text) == {
      'image': ('TYPE_UINT8', [-1, -1, -1, 3]), 'id_map': ('TYPE_INT32', [-1, -1, -1]),
      'classes': ('TYPE_INT32', [-1, -1]), 'scores': ('TYPE_FP32', [-1, -1]),
      'count': ('TYPE_INT32', [-1])}
  assert 'reshape' not in text


@pytest.mark.parametrize('kind, line', [
    ('onnx', 'platform: "onnxruntime_onnx"'), ('openvino', 'backend: "openvino"')])
def test_others_take_one_image(kind, line):
  text = triton.config('coco', content(kind, [64, 96]), ['id_map', 'count', 'mask_logits'])
  assert line in text
  assert tensors(text) == {
      'image': ('TYPE_UINT8', [64, 96, 3]), 'id_map': ('TYPE_INT32', [-1, -1]),
      'count': ('TYPE_INT32', [1]), 'mask_logits': ('TYPE_FP32', [-1, -1, -1])}
  assert text.count('reshape: { shape: [ ] }') == 1


def test_braces_and_brackets_match():
  text = triton.config('a', content('onnx'), ['labels', 'masks', 'image_size', 'padded_size'])
  for left, right in ('{}', '[]'):
    assert text.count(left) == text.count(right) > 0
