"""Times the answers of `scripts/benchmark.py`: from the logits of one image to its segments."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

NUM_CLASSES = 133
NUM_QUERIES = 100
NUM_OBJECTS = 20
KINDS = ('panoptic', 'semantic', 'instance')
# An image of COCO's most frequent size, as the published recipes resize and pad it.
ORIGINAL = (480, 640)
IMAGE = (800, 1067)
PADDED = (800, 1088)


def logits() -> tuple[np.ndarray, np.ndarray]:
  """Returns class logits [queries, classes + 1] and mask logits [queries, h, w] with objects."""
  rng = np.random.default_rng(0)
  height, width = PADDED[0] // 4, PADDED[1] // 4
  classes = rng.normal(size=[NUM_QUERIES, NUM_CLASSES + 1]).astype(np.float32)
  classes[:, -1] += 8
  masks = rng.normal(-4, 1, [NUM_QUERIES, height, width]).astype(np.float32)
  for query in range(NUM_OBJECTS):
    classes[query, rng.integers(NUM_CLASSES)] += 16
    top = rng.integers(0, height - 20)
    left = rng.integers(0, width - 20)
    masks[query, top:top + rng.integers(20, height // 2), left:left + rng.integers(20, 99)] += 9
  return classes, masks


def calls(side: str) -> dict[str, Callable[[], Any]]:
  """Returns what answers the image once, by kind of answer.

  Args:
    side: 'ours', 'numpy' (our reference) or 'hugging_face'. Ends the process with code 3 where a
      package is not installed.
  """
  if side == 'hugging_face':
    return _of_hugging_face(*logits())
  return (_of_graph if side == 'ours' else _of_numpy)(*logits())


def _of_graph(class_logits: np.ndarray, mask_logits: np.ndarray) -> dict[str, Callable[[], Any]]:
  import tensorflow as tf

  from tf_maskformer.configs.datasets import catalog
  from tf_maskformer.configs.evaluation import Evaluation
  from tf_maskformer.modeling.postprocessing.answering import Answering
  from tf_maskformer.modeling.postprocessing.sizes import Sizes

  output = {
      'class_logits': tf.constant(class_logits), 'mask_logits': tf.constant(mask_logits)}
  sizes = Sizes(PADDED, IMAGE, ORIGINAL)
  found: dict[str, Callable[[], Any]] = {}
  for kind in KINDS:
    evaluation = Evaluation(**{one: one == kind for one in KINDS}, confident_pixels_only=True)
    answering = Answering(evaluation, catalog.get('coco_panoptic'))
    found[kind] = lambda answering=answering: answering(output, sizes)
  return found


def _of_numpy(class_logits: np.ndarray, mask_logits: np.ndarray) -> dict[str, Callable[[], Any]]:
  from tf_maskformer.configs.datasets import catalog
  from tf_maskformer.evaluation import run_lengths
  from tf_maskformer.modeling.postprocessing.instance import instances
  from tf_maskformer.modeling.postprocessing.panoptic import panoptic
  from tf_maskformer.modeling.postprocessing.semantic import semantic_labels
  from tf_maskformer.modeling.postprocessing.sizes import Sizes

  sizes = Sizes(PADDED, IMAGE, ORIGINAL)
  things = catalog.get('coco_panoptic').thing_classes
  def as_runs():
    rows = instances(class_logits, mask_logits, sizes, 100)
    return [run_lengths.encode(row['mask']) for row in rows]
  return {
      'panoptic': lambda: panoptic(
          class_logits, mask_logits, sizes, things, 0.8, 0.8, confident_only=True),
      'semantic': lambda: semantic_labels(class_logits, mask_logits, sizes, resize_first=False),
      'instance': as_runs,
  }


def _of_hugging_face(class_logits: np.ndarray, mask_logits: np.ndarray
                     ) -> dict[str, Callable[[], Any]]:
  try:
    import torch
    from transformers import Mask2FormerImageProcessor
    from transformers.models.mask2former import modeling_mask2former
  except ImportError:
    sys.exit(3)
  outputs = modeling_mask2former.Mask2FormerForUniversalSegmentationOutput(
      class_queries_logits=torch.tensor(class_logits)[None],
      masks_queries_logits=torch.tensor(mask_logits)[None])
  processor = Mask2FormerImageProcessor()
  sizes = [ORIGINAL]
  return {
      'panoptic': lambda: processor.post_process_panoptic_segmentation(
          outputs, threshold=0.8, overlap_mask_area_threshold=0.8, target_sizes=sizes),
      'semantic': lambda: processor.post_process_semantic_segmentation(
          outputs, target_sizes=sizes),
      'instance': lambda: processor.post_process_instance_segmentation(
          outputs, threshold=0.0, target_sizes=sizes, return_coco_annotation=False),
  }
