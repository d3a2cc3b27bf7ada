"""What an image costs the input pipeline of each published recipe."""

import time

from tf_maskformer.configs.experiments import registry
from tf_maskformer.configs.experiments import table
from tf_maskformer.dataloaders import reader

_IMAGES = 16  # per measurement
_BATCH = 2  # a pipeline prepares ahead; small batches show its rate soon


def recipes() -> dict[str, str]:
  """Returns an experiment for each input pipeline, called as its first model, data set and task."""
  found: dict[str, str] = {}
  seen: set[str] = set()
  for name, row in table.PUBLISHED.items():
    title = f'{row.model} {row.data_set} {row.task}'
    pipeline = str(registry.get(name).task.train_data.parser.as_dict())
    if title not in found and pipeline not in seen:
      found[title] = name
      seen.add(pipeline)
  return found


def core_seconds_per_image(records: str, data_set: str, repeats: int) -> dict[str, float]:
  """Returns the seconds of a core that an image takes, by recipe; the median of some.

  Args:
    records: pattern of the files.
    data_set: of the records.
    repeats: measurements.
  """
  return {
      title: _measure(name, records, data_set, repeats) for title, name in recipes().items()}


def _measure(name: str, records: str, data_set: str, repeats: int) -> float:
  params = registry.get(name).task.train_data
  params.input_path = records
  params.global_batch_size = _BATCH
  params.prefetch_buffer_size = 1
  batches = iter(reader.build(params, data_set, seed=0))
  next(batches)
  found = []
  for _ in range(repeats):
    start = time.process_time()
    for _ in range(_IMAGES // _BATCH):
      next(batches)
    found.append((time.process_time() - start) / _IMAGES)
  return sorted(found)[len(found) // 2]
