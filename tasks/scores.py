"""Accumulates evaluation results: predictions against the records' truth, at original size."""

import threading
from typing import Any

import numpy as np
import tensorflow as tf

from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.evaluation import drawing
from tf_maskformer.modeling.postprocessing import predictions
from tf_maskformer.modeling.postprocessing.answering import Answering
from tf_maskformer.modeling.postprocessing.sizes import Sizes
from tf_maskformer.tasks import evaluators
from tf_maskformer.tasks.evaluators import Sample
from tf_maskformer.tasks.ordered_work import OrderedWork
from tf_maskformer.tasks.sums import Counted
from tf_maskformer.tasks.sums import Sums

# An image's row of what a task's `validation_step` returned.
Output = dict[str, tf.Tensor | np.ndarray]


class Scores:
  """Adds images one by one; the result is that of the complete set, whatever the batches were.

  Images are answered and compared with their truth on threads of their own, several at a time,
  while the network works on the next; sums are in the order in which images were added.
  """

  def __init__(self, evaluation: Evaluation, data_set: DataSet, truth: GroundTruth):
    self._classes = data_set.classes
    self._truth = truth
    self._shown = set(truth.example_ids[:evaluation.num_images])
    self._answering = Answering(evaluation, data_set)
    self._evaluators = evaluators.build(evaluation, data_set, truth)
    self._sums = Sums(self._evaluators, evaluation.num_images)
    self._work = OrderedWork(self._count, self._take)
    # More of them at a time would only take more memory: each uses all cores.
    self._one_answers = threading.Lock()

  def add(self, output: Output) -> None:
    """Scores one image; may return before it is done.

    Args:
      output: see above; tensors may be on any device.

    Raises:
      UserError: the truth of this image or of an earlier one cannot be used.
    """
    self._work.add(output)

  def end_step(self) -> None:
    """Says that all images of a step of the network were added; raises as `add`."""

  def result(self) -> dict[str, Any]:
    """Returns the metrics by name, and what belongs to them.

    These are 'scored' (ids), 'table' (text), 'images' (name: uint8 [1, height, width, 3]; of the
    first records) and 'files' (name: bytes).

    Raises:
      UserError: as `add`.
    """
    self._work.wait()
    return self._sums.result()

  def _count(self, output: Output) -> Counted:
    """Returns what an image adds."""
    example_id = int(output['example_id'])
    sizes = Sizes.of(*(
        np.asarray(output[name]) for name in ('padded_size', 'image_size', 'original_size')))
    true_map, true_segments = self._truth[example_id]
    with self._one_answers:
      answer = self._answering(output, sizes)
    sample = Sample(example_id, answer, true_map, true_segments)
    contributions = [evaluator.contributions(sample) for evaluator in self._evaluators]
    drawn = self._draw(sample) if example_id in self._shown else None
    return Counted(example_id, float(output['loss']), contributions, drawn)

  def _take(self, counted: Counted) -> None:
    """Takes the images one after the other, in the order in which they were added."""
    self._sums.add(counted)

  def _draw(self, sample: Sample) -> np.ndarray:
    """Returns the image next to its truth and its prediction, uint8 [height, width, 3]."""
    id_map, segments = predictions.shown(sample.answer, self._evaluators[0].kind)
    image = self._truth.image(sample.example_id)
    truth = drawing.draw_panoptic(image, sample.true_map, sample.true_segments, self._classes)
    predicted = drawing.draw_panoptic(image, id_map, segments, self._classes)
    return drawing.side_by_side([image, truth, predicted], ['image', 'truth', 'prediction'])
