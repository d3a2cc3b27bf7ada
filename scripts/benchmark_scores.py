"""Times the evaluators of `scripts/benchmark.py`, on records and logits that are nearly right."""

import time

import numpy as np

_QUERIES = 100
_IMAGES = 8
_STRIDE = 4  # of mask logits
# Name of a measurement: fields of `configs.evaluation.Evaluation`.
_KINDS = {
    'PQ': {'panoptic': True},
    'mIoU': {'panoptic': False, 'semantic': True},
    'AP': {'panoptic': False, 'instance': True},
    'PQ and mIoU and AP': {'panoptic': True, 'semantic': True, 'instance': True},
    'the same and boundaries': {
        'panoptic': True, 'semantic': True, 'instance': True, 'boundary': True},
}


def seconds_per_image(records: str, data_set: str, repeats: int) -> dict[str, float]:
  """Returns the median seconds that an image takes, its truth read and inference included.

  Args:
    records: pattern of records.
    data_set: see `catalog.get`.
    repeats: times that the images are scored.
  """
  from tf_maskformer.configs.datasets import catalog
  from tf_maskformer.configs.evaluation import Evaluation
  from tf_maskformer.dataloaders.ground_truth import GroundTruth
  from tf_maskformer.tasks.scores import Scores

  described = catalog.get(data_set)
  truth = GroundTruth(records, data_set)
  outputs = [_output(truth, one, described.num_classes) for one in truth.example_ids[:_IMAGES]]
  found = {}
  for name, fields in _KINDS.items():
    scores = Scores(Evaluation(num_images=0, **fields), described, truth)
    _score(scores, outputs)  # a warm-up
    seconds = []
    for _ in range(repeats):
      start = time.perf_counter()
      _score(scores, outputs)
      seconds.append((time.perf_counter() - start) / len(outputs))
    found[name] = float(np.median(seconds))
  return found


def _score(scores, outputs: list[dict]) -> None:
  """Scores the images; they may be counted more than once."""
  for output in outputs:
    scores.add(output)
  scores.result()


def _output(truth, example_id: int, num_classes: int) -> dict:
  """Returns logits that find each segment of an image, their edges uncertain, and queries more."""
  id_map, segments = truth[example_id]
  rng = np.random.default_rng(0)
  size = id_map.shape
  padded = tuple(-(-side // 32) * 32 for side in size)
  masks = rng.normal(-4, 2, [_QUERIES, padded[0] // _STRIDE, padded[1] // _STRIDE])
  classes = rng.normal(size=[_QUERIES, num_classes + 1])
  classes[:, -1] += 6
  coarse = id_map[::_STRIDE, ::_STRIDE]
  for query, segment in enumerate(segments[:_QUERIES]):
    place = masks[query, :coarse.shape[0], :coarse.shape[1]]
    place[coarse == segment['id']] += 8
    classes[query, -1] -= 12
    classes[query, segment['category_id']] += 9
  return {
      'example_id': example_id, 'padded_size': padded, 'image_size': size, 'original_size': size,
      'loss': 0.0, 'class_logits': classes.astype(np.float32),
      'mask_logits': masks.astype(np.float32)}
