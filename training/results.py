"""What evaluations leave in the folder of a run: a JSON file per step, and all of them in one."""

import os
import re
import time
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.errors import UserError

FOLDER = 'evaluations'
_HISTORY = 'history.json'


def write(folder: str, step: int, images: int, metrics: Mapping[str, float],
          more: Mapping[str, bytes] | None = None) -> None:
  """Writes evaluations/step_<step>.json, and evaluations/history.json with all of them and times.

  The first says that the evaluation of the step is done; an earlier one of the same step is
  replaced in both.

  Args:
    folder: of the run.
    step: of the checkpoint that was scored.
    images: how many were scored.
    metrics: scores and losses by name.
    more: further files of the last evaluation, by name; written first.
  """
  tf.io.gfile.makedirs(os.path.join(folder, FOLDER))
  for name, data in (more or {}).items():
    files.write_bytes(os.path.join(folder, FOLDER, name), data)
  entry = {'step': step, 'images': images, 'metrics': dict(metrics)}
  files.write_json(_path(folder, step), entry)
  _write_history(folder, read(folder))


def read(folder: str) -> dict[int, dict[str, Any]]:
  """Returns the evaluations of a run by step, ascending.

  Each is in two files; one that is damaged is taken from the other.

  Args:
    folder: of the run.

  Returns:
    {step: {'step', 'images', 'metrics': {name: value}, 'time'}}.
  """
  history = {entry['step']: entry for entry in _history(folder)}
  found = dict(history)
  for path in tf.io.gfile.glob(os.path.join(folder, FOLDER, 'step_*.json')):
    try:
      entry = _checked(files.read_json(path), path)
      if _step_of(path) != entry['step']:
        raise UserError(f'{path} holds the evaluation of another step, {entry["step"]}')
    except UserError as e:
      errors.warn(f'{e}; taken from {_HISTORY} if it is there')
      continue
    known = history.get(entry['step'], {})
    when = known.get('time') if known.get('metrics') == entry['metrics'] else None
    found[entry['step']] = {'time': when or _written(path), **entry}
  return dict(sorted(found.items()))


def settle(folder: str, step: int) -> dict[int, dict[str, Any]]:
  """Puts the evaluations of a run in order that resumes; returns those that it has, by step.

  Evaluations after the step are removed: they are made again when the run comes there. Damaged
  files are written again.

  Args:
    folder: of the run.
    step: where the run resumes.
  """
  if not tf.io.gfile.isdir(os.path.join(folder, FOLDER)):
    return {}
  files.remove_unfinished(os.path.join(folder, FOLDER))
  kept = {one: entry for one, entry in read(folder).items() if one <= step}
  wanted = {_path(folder, one): _without_time(entry) for one, entry in kept.items()}
  for path in tf.io.gfile.glob(os.path.join(folder, FOLDER, 'step_*.json')):
    if path not in wanted:
      tf.io.gfile.remove(path)
  for path, entry in wanted.items():
    if not _holds(path, entry):
      files.write_json(path, entry)
  if kept or tf.io.gfile.exists(os.path.join(folder, FOLDER, _HISTORY)):
    _write_history(folder, kept)
  return kept


def _path(folder: str, step: int) -> str:
  return os.path.join(folder, FOLDER, f'step_{step:08d}.json')


def _step_of(path: str) -> int | None:
  """Returns the step in the name of an evaluation's file; None where there is none."""
  match = re.fullmatch(r'step_([0-9]{1,18})\.json', os.path.basename(path))
  return int(match[1]) if match else None


def _write_history(folder: str, entries: Mapping[int, dict[str, Any]]) -> None:
  files.write_json(os.path.join(folder, FOLDER, _HISTORY), list(entries.values()))


def _history(folder: str) -> list[dict[str, Any]]:
  """Returns the entries of history.json; none where it is damaged."""
  path = os.path.join(folder, FOLDER, _HISTORY)
  if not tf.io.gfile.exists(path):
    return []
  try:
    content = files.read_json(path)
    if not isinstance(content, list):
      raise UserError(f'{path} is not a list of evaluations')
    return [_checked(entry, path) for entry in content]
  except UserError as e:
    errors.warn(f'{e}; it is made again of the files of each step')
    return []


def _without_time(entry: Mapping[str, Any]) -> dict[str, Any]:
  return {key: value for key, value in entry.items() if key != 'time'}


def _written(path: str) -> str:
  """Returns when a file was written, as the history has it."""
  seconds = tf.io.gfile.stat(path).mtime_nsec / 1e9
  return time.strftime('%FT%T%z', time.localtime(seconds))


def _holds(path: str, entry: dict[str, Any]) -> bool:
  try:
    return files.read_json(path) == entry
  except UserError:
    return False


def _checked(entry: object, path: str) -> dict[str, Any]:
  """Returns an entry with the fields that are read elsewhere, or raises UserError."""
  if isinstance(entry, dict):
    if 'pictures' in entry:  # as earlier versions wrote it
      entry = {**entry, 'images': entry['pictures']}
      del entry['pictures']
    metrics = entry.get('metrics')
    numbers = metrics.values() if isinstance(metrics, dict) else ['']
    are_numbers = all(type(value) in (int, float) for value in numbers)
    if are_numbers and all(type(entry.get(key)) is int for key in ('step', 'images')):
      return entry
  raise UserError(f'{path} does not hold an evaluation: step, images and metrics')
