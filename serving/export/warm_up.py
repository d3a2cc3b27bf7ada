"""TensorFlow Serving's warm-up: requests that a server runs before it takes those of others.

Without them the first request of each signature pays for what TensorFlow sets up lazily.
"""

import io
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf
from PIL import Image
from tensorflow.core.framework import tensor_pb2

from tf_maskformer import extras
from tf_maskformer.serving.export import saved_model

PATH = 'assets.extra/tf_serving_warmup_requests'  # where TensorFlow Serving looks
_SIDES = (480, 640)  # of an image where neither a size nor a rule says more
_GRAY = 128


def write(folder: pathlib.Path, content: Mapping[str, Any]) -> None:
  """Writes the requests into a SavedModel's folder.

  Args:
    folder: of the SavedModel.
    content: its metadata.

  Raises:
    UserError: tensorflow-serving-api is not installed.
  """
  logs = extras.require('tensorflow_serving.apis.prediction_log_pb2', extra='export')
  path = folder / PATH
  path.parent.mkdir(exist_ok=True)
  with tf.io.TFRecordWriter(str(path)) as writer:
    for request in requests(content):
      log = logs.PredictionLog(predict_log=logs.PredictLog(request=request))
      writer.write(log.SerializeToString())


def requests(content: Mapping[str, Any]) -> Iterator[Any]:
  """Yields a request for each signature that answers; see `write`."""
  predict = extras.require('tensorflow_serving.apis.predict_pb2', extra='export')
  height, width = _size(content)
  # One value stands for all of them.
  shape = tf.TensorShape([1, height, width, 3]).as_proto()
  images = tensor_pb2.TensorProto(
      dtype=tf.uint8.as_datatype_enum, tensor_shape=shape, int_val=[_GRAY])
  yield _request(predict, saved_model.DEFAULT, {saved_model.INPUT: images})
  if content['task'] == 'raw':
    return
  encoded = tf.make_tensor_proto(_png(height, width))
  yield _request(predict, saved_model.ENCODED, {saved_model.ENCODED_INPUT: encoded})


def _request(predict: Any, signature: str, tensors: Mapping[str, Any]) -> Any:
  request = predict.PredictRequest()
  request.model_spec.signature_name = signature
  for name, tensor in tensors.items():
    request.inputs[name].CopyFrom(tensor)
  return request


def _size(content: Mapping[str, Any]) -> tuple[int, int]:
  """Returns (height, width) of a usual image."""
  if content['input_size']:
    height, width = content['input_size']
    return height, width
  short = content['resize']['short_edge']
  return (short, short * 4 // 3) if short else _SIDES


def _png(height: int, width: int) -> bytes:
  buffer = io.BytesIO()
  Image.new('RGB', (width, height), (_GRAY,) * 3).save(buffer, 'PNG')
  return buffer.getvalue()
