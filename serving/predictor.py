"""From images of any size to segments and maps at their own size."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.configs.task import Segmentation
from tf_maskformer.dataloaders import augment
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.postprocessing import predictions
from tf_maskformer.modeling.postprocessing.answering import Answering
from tf_maskformer.modeling.postprocessing.sizes import Sizes
from tf_maskformer.ops import image as image_ops
from tf_maskformer.serving import inputs
from tf_maskformer.serving.inputs import ImageLike
from tf_maskformer.serving.result import Result

_BATCH_ON_GPU = 4  # a CPU's cores are all used by one image


class Predictor:
  """A model that predicts images: resized as in validation, results at the images' own size.

  Attributes:
    data_set: name and classes.
    task: what is predicted: 'panoptic', 'instance' or 'semantic', the first of these that the
      experiment evaluates.
    short_edge: pixels that the shorter side of an image is resized to; 0: images keep their size.
    long_edge_limit: pixels that the longer side does not exceed then; 0: no limit.
  """

  def __init__(self, model: tf_keras.Model, task: Segmentation, data_set: DataSet):
    """Makes the predictor.

    Args:
      model: with its weights.
      task: sizes of validation_data, what is evaluated, and thresholds are read from it.
      data_set: the classes.
    """
    augmentation = task.validation_data.parser.augmentation
    self.data_set = data_set
    self.task = _kind(task)
    self.short_edge: int = augmentation.short_edges[0] if augmentation.short_edges else 0
    self.long_edge_limit: int = augmentation.long_edge_limit if self.short_edge else 0
    self._model = model
    kinds = {kind: kind == self.task for kind in ('panoptic', 'semantic', 'instance')}
    self._answering = Answering(task.evaluation.replace(**kinds), data_set)
    self._size_divisibility = task.model.size_divisibility
    self._run = tf.function(
        self._logits, autograph=False,
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)])

  def __repr__(self) -> str:
    return f'Predictor({self.task}, {self.data_set.name}, {len(self.classes)} classes)'

  @property
  def classes(self) -> Sequence[Class]:
    """The classes by contiguous number: id in the data set, name, whether a thing, color."""
    return self.data_set.classes

  def predict(self, images: ImageLike | list[ImageLike] | tuple[ImageLike, ...],
              batch_size: int | None = None) -> Result | list[Result]:
    """Predicts an image, or several.

    Args:
      images: a path, a PIL image or a uint8 array, see `inputs.as_rgb`; or a list or tuple of
        these.
      batch_size: see `predict_stream`.

    Returns:
      A result; of a list or tuple a list of results in the same order.

    Raises:
      UserError: see `inputs.as_rgb`; or the batch size is below 1.
    """
    if isinstance(images, (list, tuple)):
      return list(self.predict_stream(images, batch_size))
    result, = self.predict_stream([images])
    return result

  def predict_stream(self, images: Iterable[ImageLike],
                     batch_size: int | None = None) -> Iterator[Result]:
    """Predicts any number of images, one result after the other; memory holds one batch of them.

    Args:
      images: see `inputs.as_rgb`; taken a batch at a time.
      batch_size: images that are read at a time; those among them that have the same size after
        resizing pass through the model together, which changes results by float rounding only.
        None: 4 where TensorFlow has a GPU, else 1.

    Yields:
      Results in the order of the images.

    Raises:
      UserError: see `inputs.as_rgb`; or the batch size is below 1.
    """
    if batch_size is None:
      batch_size = _BATCH_ON_GPU if tf.config.list_physical_devices('GPU') else 1
    if batch_size < 1:
      raise UserError(f'a batch size of {batch_size} is below 1; give 1 or more')
    remaining = iter(images)
    while batch := list(itertools.islice(remaining, batch_size)):
      names = [inputs.name_of(image) for image in batch]
      yield from self._predict_batch(names, [inputs.as_rgb(image) for image in batch])

  def _predict_batch(self, names: list[str], images: list[np.ndarray]) -> Iterator[Result]:
    """Yields the results of images of any sizes; those of equal resized size run together."""
    resized = [self._resize(image) for image in images]
    of_size: dict[tuple[int, int], list[int]] = {}
    for number, image in enumerate(resized):
      of_size.setdefault(tuple(image.shape[:2]), []).append(number)
    outputs: dict[int, tuple[dict[str, tf.Tensor], Sizes]] = {}
    for size, numbers in of_size.items():
      logits, padded_size = self._run(tf.stack([resized[number] for number in numbers]))
      for place, number in enumerate(numbers):
        sizes = Sizes.of(padded_size.numpy(), size, images[number].shape[:2])
        outputs[number] = {name: value[place] for name, value in logits.items()}, sizes
    for number, (name, image) in enumerate(zip(names, images)):
      output, sizes = outputs.pop(number)
      yield self._result(name, image, output, sizes)

  def _resize(self, image: np.ndarray) -> tf.Tensor:
    """Resizes uint8 [height, width, 3] as validation does."""
    resized = tf.constant(image)
    if not self.short_edge:
      return resized
    size = augment.shortest_edge_size(
        tf.constant(image.shape[:2]), tf.constant(self.short_edge), self.long_edge_limit)
    return augment.resize_image(resized, size)

  def _logits(self, images):
    """The last layer's logits of resized images of one size, and the size that the model sees."""
    count = tf.shape(images)[0]
    size = tf.tile(tf.shape(images)[None, 1:3], [count, 1])
    padded = image_ops.normalize(images, size)
    padded = image_ops.pad_to_multiple(padded, self._size_divisibility)
    outputs = self._model(padded, last_layer_only=True)
    return {name: logits[-1] for name, logits in outputs.items()}, tf.shape(padded)[1:3]

  def _result(self, name: str, image: np.ndarray, output: Mapping[str, tf.Tensor], sizes: Sizes
              ) -> Result:
    answer = self._answering(output, sizes)
    id_map, segments = predictions.shown(answer, self.task)
    return Result(
        name, image, id_map, segments, self.data_set, self.task, answer.instances or [])


def _kind(task: Segmentation) -> str:
  """Returns what a task predicts."""
  if task.evaluation.panoptic:
    return 'panoptic'
  return 'instance' if task.evaluation.instance else 'semantic'
