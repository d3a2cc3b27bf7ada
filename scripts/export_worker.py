"""The steps of `scripts/export.py`, each of which runs in a process of its own.

The checkpoint answers, the model is converted, and the export answers in its own runtime.
"""

import dataclasses
import importlib
import os
import pathlib
import statistics
import time
import types
from collections.abc import Callable
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.serving.export import compare
from tf_maskformer.serving.export import metadata
from tf_maskformer.serving.export import samples
from tf_maskformer.serving.export.plan import FORMATS
from tf_maskformer.serving.export.plan import Plan

_REPEATS = 3  # that are timed
# Relative noise on the network's input, each with some seeds. The most changes the masks before the
# first masked attention by about 2e-5, ONNX Runtime's rounding by 1.3e-5 (docs/export.md).
_NOISE = (1e-6, 1e-5, 3e-5)
_SEEDS = 4
Answer = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Job:
  """What is exported.

  Attributes:
    checkpoint: see `serving.loading.configure`, as the next four.
    experiment: registered name, or None.
    overrides: texts of --params_override.
    config_files: names of files.
    uses_environment: whether environment variables apply.
    allow_nonfinite_weights: whether weights may be NaN or infinite.
    plan: of the export; an empty task is what the checkpoint predicts.
    folder: that the export is written to.
    scratch: folder of what the steps hand on.
    records: that are scored; empty: none.
    limit: images of the records that are scored; 0: all.
  """
  checkpoint: str
  experiment: str | None
  overrides: tuple[str, ...]
  config_files: tuple[str, ...]
  uses_environment: bool
  allow_nonfinite_weights: bool
  plan: Plan
  folder: str = ''
  scratch: str = ''
  records: str = ''
  limit: int = 0

  def configure(self):
    """Returns the checkpoint's configuration, see `serving.loading.configure`."""
    from tf_maskformer.serving import loading
    return loading.configure(*self.source())

  def load(self):
    """Returns the checkpoint's model, see `serving.loading.open_checkpoint`."""
    from tf_maskformer.serving import loading
    return loading.open_checkpoint(
        *self.source(), allow_nonfinite_weights=self.allow_nonfinite_weights)

  def reference(self, loaded, plan: Plan):
    """Returns what the checkpoint answers by itself, a `serving.export.reference.Reference`."""
    from tf_maskformer.serving.export.reference import Reference
    return Reference(loaded, plan)

  def seconds(self, checkpoint, image: np.ndarray) -> float:
    """Returns the median seconds that the checkpoint takes, the bytes to the answer."""
    return _seconds(checkpoint.run, image)

  def source(self) -> tuple:
    """Returns the arguments of `serving.loading.configure`."""
    environ = os.environ if self.uses_environment else None
    return self.checkpoint, self.experiment, self.overrides, self.config_files, environ


def reference(job: Job) -> dict[str, Any]:
  """Answers the samples with the checkpoint, and writes the answers into the scratch folder.

  Returns:
    task (what is exported), restored (what was read), seconds per image, scores, images scored.
  """
  from tf_maskformer.serving.export import road as roads

  loaded = job.load()
  kind = roads.kind_of(loaded.experiment.task)
  plan = dataclasses.replace(job.plan, task=job.plan.task or kind)
  road = roads.Road(loaded, plan)  # says if the model cannot answer so
  checkpoint = job.reference(loaded, plan)
  images = [s.image for s in _samples(road.short_edge, road.long_edge_limit, plan)]
  for number, image in enumerate(images):
    with files.writing(f'{job.scratch}', 'make room for temporary files'):
      np.savez(_answer_file(job, number), **checkpoint.run(image))
  scores, count = _score(job, plan.task, _answer(checkpoint.run, plan))
  return {'task': plan.task, 'restored': str(loaded.report), 'scores': scores, 'scored': count,
          'seconds': job.seconds(checkpoint, images[0])}


def convert(job: Job) -> dict[str, Any]:
  """Writes the export and its metadata; job.plan.task is set.

  Returns:
    seconds that it took, operations (their types, as far as the format tells).
  """
  start = time.monotonic()
  from tf_maskformer.serving.export import road as roads

  if job.plan.format == 'saved_model' and job.plan.precision != 'float32':
    import tf_keras
    tf_keras.mixed_precision.set_global_policy(f'mixed_{job.plan.precision}')
  loaded = job.load()
  road = roads.Road(loaded, job.plan)
  content = metadata.make(road, job.plan, roads.kind_of(loaded.experiment.task))
  writer = module_of(job.plan)
  with files.writing('the export', 'make room and run the command again'):
    # The writers may read it.
    files.write_json(pathlib.Path(job.folder) / metadata.NAME, content)
    writer.write(road, job.plan, job.folder)
    if job.plan.format == 'saved_model' and job.plan.has_warm_up:
      from tf_maskformer.serving.export import warm_up
      warm_up.write(pathlib.Path(job.folder), content)
    metadata.seal(job.folder)
  operations = getattr(writer, 'operations', None)
  return {'seconds': time.monotonic() - start,
          'operations': operations(job.folder) if operations else []}


def verify(job: Job) -> dict[str, Any]:
  """Answers the samples with the export in its own runtime and compares the answers.

  Returns:
    load_seconds, seconds per image, scores, and rows: dicts of size (of the image before it was
    fitted into a fixed size), resized and difference.
  """
  content = metadata.read(job.folder)
  module = module_of(job.plan)
  start = time.monotonic()
  runtime = module.Runtime(job.folder)
  load_seconds = time.monotonic() - start
  rule = content['resize']
  edges = (rule['short_edge'], rule['long_edge_limit'])
  rows = []
  found = _samples(*edges, job.plan)
  sizes = [one.image.shape[:2] for one in samples.make(*edges, job.plan.input_size)]
  for number, sample in enumerate(found):
    with np.load(_answer_file(job, number)) as expected:
      answer = runtime.run(sample.image)
      if 'mask_logits' not in answer:
        answer = {**answer, **runtime.logits(sample.image)}
      own = _own_answer(answer, expected, sample.image, content)
      difference = compare.difference(expected, answer, job.plan.task, own)
    rows.append({'size': sizes[number], 'resized': sample.is_resized, 'difference': difference})
  scores, _ = _score(job, job.plan.task, _answer(runtime.run, job.plan))
  return {'load_seconds': load_seconds, 'seconds': _seconds(runtime.run, found[0].image),
          'scores': scores, 'rows': rows}


def unsteadiness(job: Job, numbers: list[int]) -> dict[int, compare.Difference]:
  """Measures how far the checkpoint's answers are from each other when its input is rounded.

  Args:
    job: as for `verify`.
    numbers: of the samples.

  Returns:
    By number the largest differences between the answers with noise and without.
  """
  from tf_maskformer.serving.export import road as roads

  loaded = job.load()
  road = roads.Road(loaded, job.plan)
  checkpoint = job.reference(loaded, job.plan)
  found = _samples(road.short_edge, road.long_edge_limit, job.plan)
  differences = {}
  for number in numbers:
    image = found[number].image
    expected = checkpoint.run(image)
    jumps = [
        compare.difference(expected, checkpoint.run(image, noise, seed), job.plan.task)
        for noise in _NOISE for seed in range(_SEEDS)]
    differences[number] = compare.Difference(
        max(one.typical for one in jumps), max(one.largest for one in jumps),
        min(one.equal for one in jumps))
  return differences


def _own_answer(answer: dict[str, Any], expected: Any, image: np.ndarray, content: dict[str, Any]
                ) -> dict[str, np.ndarray]:
  """Returns what NumPy answers to the export's own logits."""
  from tf_maskformer.modeling.postprocessing.sizes import Sizes
  from tf_maskformer.serving.export import answers
  sizes = Sizes.of(expected['padded_size'], expected['image_size'], image.shape[:2])
  return answers.answer(
      answer, sizes, content['task'], types.SimpleNamespace(**content['thresholds']),
      metadata.data_set_of(content).thing_classes)


def module_of(plan: Plan) -> Any:
  """Returns the module of a format, with `write` and `Runtime`."""
  name = FORMATS[plan.format].module
  return importlib.import_module(f'tf_maskformer.serving.export.{name}')


def _samples(short_edge: int, long_edge_limit: int, plan: Plan) -> list[samples.Sample]:
  """Returns the samples as the network's input wants them."""
  from tf_maskformer.serving.export import fitting
  found = samples.make(short_edge, long_edge_limit, plan.input_size)
  if not plan.input_size:
    return found
  return [s._replace(image=fitting.fit(s.image, plan.input_size)[0]) for s in found]


def _answer_file(job: Job, number: int) -> str:
  return os.path.join(job.scratch, f'{number}.npz')


def _seconds(run: Answer, image: np.ndarray) -> float:
  """Returns the median seconds that an image takes, the bytes to the answer."""
  run(image)
  found = []
  for _ in range(_REPEATS):
    start = time.perf_counter()
    run(image)
    found.append(time.perf_counter() - start)
  return statistics.median(found)


def _answer(run: Answer, plan: Plan) -> Answer:
  """Returns a function from an image of any size to its answer at that size."""
  from tf_maskformer.serving.export import fitting
  size = plan.input_size
  if size is None:
    return run

  def fitted(image):
    inside, inner = fitting.fit(image, size)
    return fitting.restore(run(inside), inner, image.shape[:2])
  return fitted


def _score(job: Job, task: str, answer: Answer) -> tuple[dict[str, float], int]:
  """Returns the scores of the records' images by name, and how many images they are."""
  if not job.records:
    return {}, 0
  if task == 'raw':
    raise errors.UserError('--records has no effect on --task raw; leave it out')
  from tf_maskformer.scripts import export_scores
  return export_scores.score(job.configure(), task, answer, job.records, job.limit)
