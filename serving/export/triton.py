"""Triton's model repository: `config.pbtxt` next to the versions of a model."""

from collections.abc import Mapping
from typing import Any

from tf_maskformer.serving.export.plan import FORMATS

# What Triton calls the runtime of a format, and how it says so.
_RUNTIMES = {
    'saved_model': 'platform: "tensorflow_savedmodel"',
    'onnx': 'platform: "onnxruntime_onnx"',
    'openvino': 'backend: "openvino"',
}
_TYPES = {
    'id_map': 'TYPE_INT32', 'labels': 'TYPE_INT32', 'classes': 'TYPE_INT32',
    'scores': 'TYPE_FP32', 'count': 'TYPE_INT32', 'masks': 'TYPE_UINT8',
    'class_logits': 'TYPE_FP32', 'mask_logits': 'TYPE_FP32', 'padded_size': 'TYPE_INT32',
    'image_size': 'TYPE_INT32',
}
_RANKS = {
    'id_map': 2, 'labels': 2, 'classes': 1, 'scores': 1, 'count': 0, 'masks': 3,
    'class_logits': 2, 'mask_logits': 3, 'padded_size': 1, 'image_size': 1,
}
_WITHOUT_BATCH = ('padded_size', 'image_size')  # one for all images of a batch


def config(name: str, content: Mapping[str, Any], outputs: list[str]) -> str:
  """Returns the text of `config.pbtxt`.

  `max_batch_size` is 0, so that every axis is written out and requests hold the axis of images
  where the model has one: images of different sizes cannot be joined to a batch by the server.

  Args:
    name: of the model, which is that of its folder.
    content: the export's metadata.
    outputs: names of the model's outputs.
  """
  axes = [-1] if FORMATS[content['format']].answers_batches else []
  height, width = content['input_size'] or (-1, -1)
  lines = [
      f'name: "{name}"', _RUNTIMES[content['format']], 'max_batch_size: 0',
      'input [', _tensor(content['input']['name'], 'TYPE_UINT8', [*axes, height, width, 3]), ']',
      'output [', ',\n'.join(_output(one, axes) for one in outputs), ']']
  return '\n'.join(lines) + '\n'


def _output(name: str, axes: list[int]) -> str:
  own = [] if name in _WITHOUT_BATCH else axes
  return _tensor(name, _TYPES[name], [*own, *[-1] * _RANKS[name]])


def _tensor(name: str, kind: str, dims: list[int]) -> str:
  """Returns an entry; a tensor without axes is one of one value for Triton, reshaped to none."""
  shape = ', '.join(map(str, dims or [1]))
  reshape = '' if dims else ', reshape: { shape: [ ] }'
  return f'  {{ name: "{name}", data_type: {kind}, dims: [ {shape} ]{reshape} }}'
