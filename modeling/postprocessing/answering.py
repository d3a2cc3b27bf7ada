"""From the logits of an image to answers that can be scored, drawn and written."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.evaluation import run_lengths
from tf_maskformer.modeling.postprocessing.answer import Answer
from tf_maskformer.modeling.postprocessing.graph import answers
from tf_maskformer.modeling.postprocessing.graph.sizes import Sizes as GraphSizes
from tf_maskformer.modeling.postprocessing.sizes import Sizes


class Answering:
  """Computes answers in a graph, on the device that holds the logits."""

  def __init__(self, evaluation: Evaluation, data_set: DataSet):
    """Makes the graph when it is first called.

    Args:
      evaluation: which answers (`panoptic`, `semantic`, `instance`), and thresholds.
      data_set: its classes.
    """
    is_thing = np.array([one.isthing for one in data_set.classes])
    def of_masks(class_logits, mask_logits, sizes):
      return answers.answers(evaluation, is_thing, class_logits, mask_logits, GraphSizes(*sizes))
    def of_pixels(mask_logits, sizes):
      return answers.answers(evaluation, is_thing, None, mask_logits, GraphSizes(*sizes))
    classes = tf.TensorSpec([None, None], tf.float32)
    masks = tf.TensorSpec([None, None, None], tf.float32)
    sizes = [tf.TensorSpec([2], tf.int32)] * 3
    self._is_thing = is_thing
    self._of_masks = tf.function(
        of_masks, autograph=False, input_signature=[classes, masks, sizes])
    self._of_pixels = tf.function(of_pixels, autograph=False, input_signature=[masks, sizes])

  def __call__(self, output: Mapping[str, tf.Tensor | np.ndarray], sizes: Sizes) -> Answer:
    """Returns the answers of one image.

    Args:
      output: mask_logits float32 [queries, h, w] and class_logits float32 [queries, classes + 1];
        of a per-pixel model mask_logits [classes, h, w] alone.
      sizes: of the image.
    """
    mask_logits = output['mask_logits']
    of_image = [
        tf.constant(size, tf.int32) for size in (sizes.padded, sizes.image, sizes.original)]
    with tf.device(_device_of(mask_logits)):
      if 'class_logits' in output:
        found = self._of_masks(output['class_logits'], mask_logits, of_image)
      else:
        found = self._of_pixels(mask_logits, of_image)
    arrays = {name: value.numpy() for name, value in found.items()}
    has_segments = 'id_map' in arrays
    has_instances = 'instance_rows' in arrays
    return Answer(
        sizes.original, arrays.get('id_map'), self._segments(arrays) if has_segments else None,
        arrays.get('labels'), _instances(arrays) if has_instances else None)

  def _segments(self, arrays: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Returns the panoptic segments as dicts."""
    segments = []
    for i in range(int(arrays['count'])):
      class_id = int(arrays['classes'][i])
      segments.append({
          'id': i + 1, 'category_id': class_id, 'isthing': bool(self._is_thing[class_id]),
          'score': float(arrays['scores'][i])})
    return segments


def _device_of(logits: tf.Tensor | np.ndarray) -> str:
  """Returns the GPU that holds logits, or else the host: TPUs do not take sizes that vary."""
  device = getattr(logits, 'device', '')
  return device if 'GPU' in device else 'CPU'


def _instances(arrays: dict[str, np.ndarray]) -> list[dict[str, Any]]:
  """Returns the instances as dicts; those of one query share their mask."""
  columns = arrays['instance_masks']
  runs = [run_lengths.encode_columns(columns[:, i]) for i in range(columns.shape[1])]
  found = []
  for class_id, query, score, row in zip(
      arrays['instance_classes'].tolist(), arrays['instance_queries'].tolist(),
      arrays['instance_scores'].tolist(), arrays['instance_rows'].tolist()):
    found.append({'category_id': class_id, 'query': query, 'score': score, 'mask': runs[row]})
  return found
