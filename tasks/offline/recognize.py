"""Recognizes which predictions are at a path: a file's form, or what a folder holds."""

import os
import pathlib
from typing import NamedTuple

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.tasks.offline.truth import INSTANCE
from tf_maskformer.tasks.offline.truth import PANOPTIC
from tf_maskformer.tasks.offline.truth import SEMANTIC
from tf_maskformer.tasks.offline.truth import Truth

# What `tf-maskformer predict` writes.
_PREDICTIONS = 'predictions.json'
_COCO_RESULTS = 'coco_results.json'
_LABELS = '_labels.png'
_OVERLAY = '_overlay.png'
_FORMS = {
    PANOPTIC: 'a COCO panoptic JSON',
    INSTANCE: 'a list of COCO results',
    SEMANTIC: 'label images',
}


class Found(NamedTuple):
  """Predictions of one task.

  Attributes:
    path: of the JSON, or of the folder of label images.
    is_own: whether `tf-maskformer predict` wrote them.
    suffix: end of the names of label images, '': of any image.
    excluded: end of the names of images that are not labels.
  """
  path: str
  is_own: bool = False
  suffix: str = ''
  excluded: str = ''


def find(path: str) -> dict[str, Found]:
  """Returns the predictions at a path by their task.

  Args:
    path: of a JSON, of a folder with a JSON or label images, or of one that `tf-maskformer predict`
      wrote.

  Raises:
    UserError: there is nothing that can be scored, or too much.
  """
  if os.path.isfile(path):
    return {_task_of_json(path): Found(path)}
  if not os.path.isdir(path):
    raise errors.UserError(f'--predictions {path} does not exist; name a JSON file or a folder')
  names = sorted(name for name in os.listdir(path) if name.endswith('.json'))
  if _PREDICTIONS in names:
    return _of_predict(path, _COCO_RESULTS in names)
  if len(names) > 1:
    raise errors.UserError(
        f'--predictions {path} has {len(names)} JSON files, {errors.quoted(names[0])} and '
        f'{errors.quoted(names[1])} among them; name the one that holds the predictions')
  if names:
    file = os.path.join(path, names[0])
    return {_task_of_json(file): Found(file)}
  return {SEMANTIC: Found(path)}


def _of_predict(folder: str, has_results: bool) -> dict[str, Found]:
  """Returns what `tf-maskformer predict` wrote: of a panoptic, an instance or a semantic task."""
  results = {INSTANCE: Found(os.path.join(folder, _COCO_RESULTS), True)} if has_results else {}
  if _has_labels(folder):
    return {
        PANOPTIC: Found(os.path.join(folder, _PREDICTIONS), True),
        **results,
        SEMANTIC: Found(folder, True, suffix=_LABELS),
    }
  return results or {SEMANTIC: Found(folder, True, suffix='.png', excluded=_OVERLAY)}


def _has_labels(folder: str) -> bool:
  """Whether an image has both segments and labels, which only a panoptic task writes."""
  for path in pathlib.Path(folder).rglob(f'*{_LABELS}'):
    if path.with_name(path.name.removesuffix(_LABELS) + '.png').is_file():
      return True
  return False


def _task_of_json(path: str) -> str:
  """Returns the task of a JSON by how it begins: a list of results, or an object."""
  with files.reading(path), open(path, 'rb') as file:
    start = file.read(4096).removeprefix(b'\xef\xbb\xbf').lstrip()
  if start.startswith(b'['):
    return INSTANCE
  if start.startswith(b'{'):
    return PANOPTIC
  raise errors.UserError(
      f'{path} is not a JSON of predictions; give a list of COCO results or a panoptic JSON')


def choose(found: dict[str, Found], truth: Truth, task: str | None) -> str:
  """Returns the task that is scored.

  Args:
    found: of `find`.
    truth: what they are scored against.
    task: that was asked for; None: the first that both have.

  Raises:
    UserError: the truth and the predictions are not of one task, or not of this one.
  """
  both = [one for one in (PANOPTIC, INSTANCE, SEMANTIC) if one in found and one in truth.tasks]
  if task is None and both:
    return both[0]
  if task in both:
    return str(task)
  held = ' and '.join(_FORMS[one] for one in found)
  wanted = ' or '.join(_FORMS[one] for one in truth.tasks)
  asked = f'; --task {task} needs {_FORMS[task]}' if task else ''
  raise errors.UserError(
      f'the predictions are {held}, but against {truth.description} only {wanted} can be '
      f'scored{asked}')
