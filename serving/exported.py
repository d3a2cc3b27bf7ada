"""An exported model that predicts images, with the surface of `predictor.Predictor`."""

import importlib
import os
import pathlib
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tf_maskformer import errors
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.postprocessing import predictions
from tf_maskformer.modeling.postprocessing.semantic import as_segments
from tf_maskformer.modeling.postprocessing.sizes import Sizes
from tf_maskformer.serving import inputs
from tf_maskformer.serving.export import answers
from tf_maskformer.serving.export import fitting
from tf_maskformer.serving.export import metadata
from tf_maskformer.serving.export.plan import FORMATS
from tf_maskformer.serving.inputs import ImageLike
from tf_maskformer.serving.result import Result


class Exported:
  """An export that predicts images in its own runtime, one at a time.

  Attributes:
    data_set: name and classes.
    task: what is predicted: 'panoptic', 'instance' or 'semantic'.
    short_edge: pixels that the shorter side of an image is resized to; 0: images keep their size,
      or are fitted into `input_size`.
    long_edge_limit: pixels that the longer side does not exceed then; 0: no limit.
    input_size: (height, width) that images are fitted into; None: any size.
    metadata: everything that the folder says about itself, see `export.metadata`.
  """

  def __init__(self, folder: str | os.PathLike):
    """Loads an exported folder.

    Args:
      folder: as `export.metadata.find` returns it.

    Raises:
      UserError: it is damaged, or the packages that run it are missing.
    """
    content = metadata.read(folder)
    metadata.check_files(folder, content)
    self.metadata = content
    self.data_set = metadata.data_set_of(content)
    self.task: str = content['kind']
    self.short_edge: int = content['resize']['short_edge']
    self.long_edge_limit: int = content['resize']['long_edge_limit']
    size = content['input_size']
    self.input_size: tuple[int, int] | None = (size[0], size[1]) if size else None
    self._thresholds = types.SimpleNamespace(**content['thresholds'])
    self._runtime = _runtime(pathlib.Path(folder), content['format'])

  def __repr__(self) -> str:
    title = FORMATS[self.metadata['format']].title
    return f'Exported({title}, {self.task}, {self.data_set.name}, {len(self.classes)} classes)'

  @property
  def classes(self) -> Sequence[Class]:
    """The classes by contiguous number: id in the data set, name, whether a thing, color."""
    return self.data_set.classes

  def predict(self, images: ImageLike | list[ImageLike] | tuple[ImageLike, ...],
              batch_size: int | None = None) -> Result | list[Result]:
    """Predicts an image, or several; see `Predictor.predict`."""
    if isinstance(images, (list, tuple)):
      return list(self.predict_stream(images, batch_size))
    result, = self.predict_stream([images])
    return result

  def predict_stream(self, images: Iterable[ImageLike],
                     batch_size: int | None = None) -> Iterator[Result]:
    """Predicts any number of images, one after the other; see `Predictor.predict_stream`."""
    if batch_size is not None and batch_size < 1:
      raise UserError(f'a batch size of {batch_size} is below 1; give 1 or more')
    for image in images:
      name = inputs.name_of(image)
      array = inputs.as_rgb(image)
      yield self._result(name, array, self._answer(array))

  def _answer(self, image: np.ndarray) -> Mapping[str, np.ndarray]:
    """Returns the answer of uint8 [H, W, 3] at its own size."""
    if self.input_size is None:
      return self._answered(self._runtime.run(image), image.shape[:2])
    fitted, inner = fitting.fit(image, self.input_size)
    answer = self._answered(self._runtime.run(fitted), self.input_size)
    return fitting.restore(answer, inner, image.shape[:2])

  def _answered(self, found: Mapping[str, np.ndarray], original: tuple[int, int]
                ) -> Mapping[str, np.ndarray]:
    """Returns the answer to what the graph returned, which may be logits alone."""
    if self.metadata['task'] != 'raw':
      return found
    sizes = Sizes.of(found['padded_size'].tolist(), found['image_size'].tolist(), original)
    return answers.answer(
        found, sizes, self.task, self._thresholds, self.data_set.thing_classes)

  def _result(self, name: str, image: np.ndarray, answer: Mapping[str, np.ndarray]) -> Result:
    found: list[dict] = []
    if self.task == 'panoptic':
      id_map = answer['id_map']
      segments = self._segments(answer)
    elif self.task == 'instance':
      found = [
          {'category_id': int(c), 'score': float(score), 'mask': mask.astype(bool)}
          for c, score, mask in zip(answer['classes'], answer['scores'], answer['masks'])]
      id_map, segments = predictions.drawable(found, image.shape[:2])
    else:
      id_map, segments = as_segments(answer['labels'])
    return Result(name, image, id_map, segments, self.data_set, self.task, found)

  def _segments(self, answer: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Returns the segments of a panoptic answer that have pixels, as `Result` takes them."""
    present = set(np.unique(answer['id_map']).tolist())
    rows = []
    for number in range(int(answer['count'])):
      if number + 1 in present:  # fitting an image back may lose one of a few pixels
        class_id = int(answer['classes'][number])
        rows.append({
            'id': number + 1, 'category_id': class_id, 'isthing': self.classes[class_id].isthing,
            'score': float(answer['scores'][number])})
    return rows


def _runtime(folder: pathlib.Path, name: str) -> Any:
  """Returns what runs an export.

  Raises:
    UserError: it cannot be loaded.
  """
  kind = FORMATS[name]
  kind.require_packages()
  module = importlib.import_module(f'tf_maskformer.serving.export.{kind.module}')
  try:
    return module.Runtime(folder)
  except UserError:
    raise
  except Exception as e:  # pylint: disable=broad-except
    raise UserError(
        f'{folder} cannot be loaded as {kind.title} ({errors.quoted(errors.explain(str(e)))}); '
        'export the model again') from e
