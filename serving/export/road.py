"""The complete road of an exported model: from the bytes of an image to its answer."""

import types
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_maskformer.configs.task import Segmentation
from tf_maskformer.dataloaders import augment
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.postprocessing.graph import answers
from tf_maskformer.modeling.postprocessing.graph import instance
from tf_maskformer.modeling.postprocessing.graph import panoptic
from tf_maskformer.modeling.postprocessing.graph import semantic
from tf_maskformer.modeling.postprocessing.graph.sizes import Sizes
from tf_maskformer.ops import antialias
from tf_maskformer.ops import image as image_ops
from tf_maskformer.serving.export.plan import Plan
from tf_maskformer.serving.loading import Loaded

INPUT = 'image'
LOGITS = ('class_logits', 'mask_logits')
ANSWERS = {
    'panoptic': ('id_map', 'classes', 'scores', 'count'),
    'semantic': ('labels',),
    'instance': ('classes', 'scores', 'masks'),
    'raw': ('padded_size', 'image_size'),
}
_PER_PIXEL_TASKS = ('semantic', 'raw')


class Thresholds(NamedTuple):
  """Of panoptic inference, see `configs.evaluation.Evaluation`; numbers or float32 scalars."""
  object_mask: tf.Tensor | float
  overlap: tf.Tensor | float


def kind_of(task: Segmentation) -> str:
  """Returns what an experiment predicts, the first of the three that it evaluates."""
  if task.evaluation.panoptic:
    return 'panoptic'
  return 'instance' if task.evaluation.instance else 'semantic'


class Road:
  """From uint8 images to answers at their own size, as functions to be traced.

  Attributes:
    loaded: the model with its weights and what belongs to it.
    task: what is answered, a key of `ANSWERS`.
    input_size: (height, width) of the network's input before padding to its divisor; None: any.
    short_edge: pixels that the shorter side of an image is resized to; 0: images keep their size.
    long_edge_limit: pixels that the longer side does not exceed then; 0: no limit.
    divisor: the network's input is padded to multiples of it; 0 or 1: not at all.
    thresholds: of the experiment.
    has_class_logits: whether the model has them; a per-pixel model has none.
  """

  def __init__(self, loaded: Loaded, plan: Plan):
    """Makes the road.

    Args:
      loaded: the model.
      plan: format, task and input size are read from it.

    Raises:
      UserError: the model cannot give such answers.
    """
    task = loaded.experiment.task
    augmentation = task.validation_data.parser.augmentation
    evaluation = task.evaluation
    self.loaded = loaded
    self.task = plan.task
    self.input_size = plan.input_size
    self.short_edge: int = augmentation.short_edges[0] if augmentation.short_edges else 0
    self.long_edge_limit: int = augmentation.long_edge_limit if self.short_edge else 0
    if self.input_size:  # the image comes at the network's size
      self.short_edge = 0
      self.long_edge_limit = 0
    self.divisor: int = task.model.size_divisibility
    self.thresholds = Thresholds(evaluation.object_mask_threshold, evaluation.overlap_threshold)
    self.has_class_logits = bool(getattr(loaded.model.predictor, 'class_embed', None))
    self._confident_only: bool = evaluation.confident_pixels_only
    self._num_instances: int = evaluation.instances_per_image
    self._has_resize = plan.format == 'saved_model'
    self._has_loops = plan.format == 'saved_model'
    self._is_thing = np.array([c.isthing for c in loaded.data_set.classes])
    if not self.has_class_logits and self.task not in _PER_PIXEL_TASKS:
      raise UserError(
          f'--task {self.task} is not possible: {loaded.name} classifies pixels; give --task '
          f'{" or ".join(_PER_PIXEL_TASKS)}')

  @property
  def outputs(self) -> tuple[str, ...]:
    """Names of what `whole` returns, in order."""
    logits = LOGITS if self.has_class_logits else LOGITS[1:]
    return (*ANSWERS[self.task], *logits)

  def resize(self, image: tf.Tensor) -> tf.Tensor:
    """Resizes uint8 [H, W, 3] as validation does; an image of a fixed size stays as it is.

    TensorFlow's operation exists in no other runtime, where two products take its place; of 10,000
    bytes a few differ by one gray level then.

    Returns:
      uint8, or float32 with the same values.
    """
    if not self.short_edge:
      return image
    size = augment.shortest_edge_size(
        tf.shape(image)[:2], tf.constant(self.short_edge), self.long_edge_limit)
    if self._has_resize:
      return augment.resize_image(image, size)
    return antialias.resize(image, (size[0], size[1]))

  def normalize(self, images: tf.Tensor) -> tf.Tensor:
    """Returns resized images, 0..255 [n, H, W, 3], as the network takes them.

    Returns:
      float32 [n, h, w, 3]: normalized, padded with zeros right and below.
    """
    size = tf.tile(tf.shape(images)[None, 1:3], [tf.shape(images)[0], 1])
    return image_ops.pad_to_multiple(image_ops.normalize(images, size), self.divisor)

  def prepare(self, image: tf.Tensor) -> tuple[tf.Tensor, Sizes]:
    """Returns the network's input and the sizes of an image.

    Args:
      image: uint8 [H, W, 3], RGB; of `input_size` where that is fixed.

    Returns:
      float32 [1, h, w, 3] and int32 sizes.
    """
    if self.input_size:
      image = tf.ensure_shape(image, [*self.input_size, 3])
    resized = self.resize(image)
    padded = self.normalize(resized[None])
    return padded, self.sizes(padded, resized[None], image[None])

  def sizes(self, padded: tf.Tensor, resized: tf.Tensor, images: tf.Tensor) -> Sizes:
    """Returns the sizes of images at three stages, [n, height, width, 3] each."""
    return Sizes(*(tf.shape(stage)[1:3] for stage in (padded, resized, images)))

  def batch_logits(self, padded: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the model's predictions of float32 [n, h, w, 3].

    Returns:
      class_logits float32 [n, q, c + 1], not of a per-pixel model; mask_logits float32 [n, q, h, w]
      at a quarter of the size.
    """
    outputs = self.loaded.model(padded, last_layer_only=True)
    return {name: tf.cast(outputs[name][-1], tf.float32) for name in LOGITS if name in outputs}

  def logits(self, padded: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns `batch_logits` of one image, float32 [1, h, w, 3], without the axis of images."""
    return {name: value[0] for name, value in self.batch_logits(padded).items()}

  def answer(self, logits: Mapping[str, tf.Tensor], sizes: Sizes,
             thresholds: Thresholds | None = None) -> dict[str, tf.Tensor]:
    """Returns an image's answer at its own size; the names are those of `ANSWERS`.

    Args:
      logits: of the image, see `logits`.
      sizes: of the image.
      thresholds: None: those of the experiment.

    Returns:
      panoptic: id_map int32 [H, W], 0 = void; classes int32 [q] and scores float32 [q] of the
        segments 1, 2, …, zeros beyond the `count` int32 [] of them.
      semantic: labels int32 [H, W], classes counted from 0.
      instance: classes int32 [n], scores float32 [n], masks uint8 [n, H, W], 1 = inside.
      raw: padded_size and image_size, int32 [2] each: the height and width of the network's input
        and of the resized image in its upper left corner.
    """
    thresholds = thresholds or self.thresholds
    if self.task == 'raw':
      values = (sizes.padded, sizes.image)
    elif self._has_loops:
      values = self._of_bands(logits, sizes, thresholds)
    else:
      values = self._at_once(logits, sizes, thresholds)
    return dict(zip(ANSWERS[self.task], values))

  def _of_bands(self, logits: Mapping[str, tf.Tensor], sizes: Sizes, thresholds: Thresholds
                ) -> tuple:
    """Returns `answer`'s values, computed a band of rows at a time: in little memory."""
    evaluation: Any = types.SimpleNamespace(
        panoptic=self.task == 'panoptic', semantic=self.task == 'semantic',
        instance=self.task == 'instance', object_mask_threshold=thresholds.object_mask,
        overlap_threshold=thresholds.overlap, confident_pixels_only=self._confident_only,
        instances_per_image=self._num_instances)
    found = answers.answers(
        evaluation, self._is_thing, logits.get('class_logits'), logits['mask_logits'], sizes)
    if self.task != 'instance':
      return tuple(found[name] for name in ANSWERS[self.task])
    distinct = tf.transpose(found['instance_masks'], [1, 2, 0])
    masks = tf.gather(distinct, found['instance_rows'])
    return found['instance_classes'], found['instance_scores'], masks

  def _at_once(self, logits: Mapping[str, tf.Tensor], sizes: Sizes, thresholds: Thresholds
               ) -> tuple:
    """Returns `answer`'s values, without a loop, which some runtimes have not."""
    classes = logits.get('class_logits')
    masks = logits['mask_logits']
    if self.task == 'panoptic':
      return panoptic.panoptic(
          classes, masks, sizes, self._is_thing, thresholds.object_mask, thresholds.overlap,
          self._confident_only)
    if self.task == 'semantic':
      return (semantic.labels(classes, masks, sizes, resize_first=False),)
    best = instance.instances(classes, masks, sizes, self._num_instances)
    each = tf.gather(tf.cast(best.masks, tf.uint8), best.rows)
    return best.classes, best.scores, each

  def whole(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the answer of an image, uint8 [H, W, 3], and the logits that it is made from."""
    padded, sizes = self.prepare(image)
    logits = self.logits(padded)
    return {**self.answer(logits, sizes), **logits}
