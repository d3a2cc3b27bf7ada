"""What a checkpoint answers by itself: its model, and post-processing in NumPy.

Exports are compared with it, so it shares nothing with their graphs but the model's layers.
"""

import numpy as np
import tensorflow as tf

from tf_maskformer.dataloaders import augment
from tf_maskformer.modeling.postprocessing import predictions
from tf_maskformer.modeling.postprocessing.instance import instances
from tf_maskformer.modeling.postprocessing.panoptic import panoptic
from tf_maskformer.modeling.postprocessing.sizes import Sizes
from tf_maskformer.ops import image as image_ops
from tf_maskformer.serving.export.plan import Plan
from tf_maskformer.serving.loading import Loaded


class Reference:
  """Answers images one by one, under the names that exports have."""

  def __init__(self, loaded: Loaded, plan: Plan):
    """Makes it; arguments as `road.Road`."""
    task = loaded.experiment.task
    augmentation = task.validation_data.parser.augmentation
    resizes = bool(augmentation.short_edges) and plan.input_size is None
    self._short_edge = augmentation.short_edges[0] if resizes else 0
    self._long_edge_limit = augmentation.long_edge_limit
    self._divisor = task.model.size_divisibility
    self._evaluation = task.evaluation
    self._task = plan.task
    self._model = loaded.model
    self._data_set = loaded.data_set
    self._run = tf.function(
        self._logits, autograph=False,
        input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8)])

  def _logits(self, images):
    size = tf.shape(images)[None, 1:3]
    padded = image_ops.normalize(images, size)
    padded = image_ops.pad_to_multiple(padded, self._divisor)
    outputs = self._model(padded, last_layer_only=True)
    return {name: value[-1][0] for name, value in outputs.items()}, tf.shape(padded)[1:3]

  def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the answer of uint8 [H, W, 3] and its logits; see `road.Road.answer`."""
    resized = tf.constant(image)
    if self._short_edge:
      size = augment.shortest_edge_size(
          tf.constant(image.shape[:2]), tf.constant(self._short_edge), self._long_edge_limit)
      resized = augment.resize_image(resized, size)
    found, padded = self._run(resized[None])
    logits = {name: value.numpy() for name, value in found.items()}
    sizes = Sizes.of(padded.numpy(), resized.shape[:2], image.shape[:2])
    return {**answer(logits, sizes, self._task, self._evaluation, self._data_set.thing_classes),
            **logits}


def answer(logits: dict[str, np.ndarray], sizes: Sizes, task: str, evaluation, thing_classes
           ) -> dict[str, np.ndarray]:
  """Returns the answer to an image's logits, see `road.Road.answer`.

  Args:
    logits: class_logits [q, c + 1], not of a per-pixel model, and mask_logits [q, h, w].
    sizes: of the image.
    task: what is answered.
    evaluation: a `configs.evaluation.Evaluation` or what has its thresholds.
    thing_classes: classes that are things.
  """
  if task == 'raw':
    return {'padded_size': np.array(sizes.padded), 'image_size': np.array(sizes.image)}
  if task == 'semantic':
    return {'labels': predictions.labels_of(logits, sizes, resize_first=False)}
  if task == 'instance':
    rows = instances(
        logits['class_logits'], logits['mask_logits'], sizes, evaluation.instances_per_image)
    return {
        'classes': np.array([row['category_id'] for row in rows], np.int32),
        'scores': np.array([row['score'] for row in rows], np.float32),
        'masks': np.stack([row['mask'] for row in rows]).astype(np.uint8)}
  id_map, segments = panoptic(
      logits['class_logits'], logits['mask_logits'], sizes, thing_classes,
      evaluation.object_mask_threshold, evaluation.overlap_threshold,
      evaluation.confident_pixels_only)
  room = len(logits['class_logits'])
  classes = np.zeros(room, np.int32)
  scores = np.zeros(room, np.float32)
  for number, segment in enumerate(segments):
    classes[number] = segment['category_id']
    scores[number] = segment['score']
  return {'id_map': id_map, 'classes': classes, 'scores': scores,
          'count': np.array(len(segments), np.int32)}
