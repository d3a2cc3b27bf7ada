"""From images of any size to panoptic or semantic maps at their own size."""

import numpy as np
import tensorflow as tf
import tf_keras

from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.configs.task import Segmentation
from tf_maskformer.dataloaders import augment
from tf_maskformer.modeling.postprocessing import predictions
from tf_maskformer.modeling.postprocessing.sizes import Sizes
from tf_maskformer.ops import image as image_ops


class Predictor:
  """Resizes as in validation, runs the model, and gives every pixel to a segment or class."""

  def __init__(self, model: tf_keras.Model, task: Segmentation, data_set: DataSet):
    """Makes the predictor.

    Args:
      model: with its weights.
      task: sizes of validation_data and thresholds are read from it.
      data_set: the classes.
    """
    self._model, self._task = model, task
    self._things = data_set.thing_classes
    self._run = tf.function(self._logits, autograph=False, input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)])

  def _logits(self, image):
    """The last layer's logits of one resized image, and the size that the model saw."""
    size = tf.shape(image)[None, :2]
    images = image_ops.normalize(image[None], size)
    images = image_ops.pad_to_multiple(images, self._task.model.size_divisibility)
    outputs = self._model(images, last_layer_only=True)
    return {name: logits[-1, 0] for name, logits in outputs.items()}, tf.shape(images)[1:3]

  def predict(self, image: np.ndarray) -> tuple[np.ndarray, list[dict]]:
    """Predicts one image.

    Args:
      image: uint8 [height, width, 3], RGB.

    Returns:
      id_map int32 [height, width] and its segments, see `postprocessing.panoptic`; of a semantic task one segment
      for each class in the image, with id = class + 1.
    """
    settings = self._task.validation_data.parser.augmentation
    resized = tf.constant(image)
    if settings.short_edges:
      size = augment.shortest_edge_size(
          tf.constant(image.shape[:2]), tf.constant(settings.short_edges[0]), settings.long_edge_limit)
      resized = augment.resize_image(resized, size)
    outputs, padded_size = self._run(resized)
    sizes = Sizes.of(padded_size.numpy(), resized.shape[:2], image.shape[:2])
    outputs = {name: logits.numpy() for name, logits in outputs.items()}
    return predictions.answer(outputs, sizes, self._things, self._task.evaluation)
