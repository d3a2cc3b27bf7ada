"""What a folder of results holds, in a form in which two folders can be compared.

What may differ between two runs of the same command is left out: times, the number and names of
TensorBoard's files, absolute paths, lock files, how often TensorFlow saved (its save_counter, which
nothing reads). Everything else, names of stray files included, must be equal.
"""

import collections
import hashlib
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from tests.faults.outcome import Fault

_LOCKS = ('.lock', '.eval.lock')
_AROUND_RECORD = 16  # bytes: a length and two checksums
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, IndexError, SyntaxError, tf.errors.OpError)
_SHOWN = 6  # differences in a message
_DATA = '.data-'  # in the names of a checkpoint's data files
_NOT_COMPARED = ('_CHECKPOINTABLE_OBJECT_GRAPH', 'save_counter/.ATTRIBUTES/VARIABLE_VALUE')
Facts = dict[str, Any]


def of(folder: pathlib.Path, may_repeat: bool = False) -> Facts:
  """Returns everything about the files below a folder by name, TensorBoard's values by tag.

  Args:
    folder: of the results.
    may_repeat: whether a step may be several times in TensorBoard's files, if it is the same.

  Raises:
    Fault: a file cannot be read.
  """
  facts: Facts = {}
  for path in sorted(folder.rglob('*')):
    name = str(path.relative_to(folder))
    if path.is_dir() or path.name in _LOCKS or 'tfevents' in path.name:
      continue
    unfinished = _is_unfinished(path.relative_to(folder))
    facts[name] = 'unfinished' if unfinished else _read(path)
  for events in sorted({path.parent for path in folder.rglob('*tfevents*')}):
    values = _summaries(events, str(events.relative_to(folder)))
    facts |= {key: sorted(set(one)) for key, one in values.items()} if may_repeat else values
  return facts


def differences(expected: Facts, found: Facts,
                may_differ: Callable[[str], bool] = lambda name: False) -> str:
  """Returns what differs, a few of it in words; empty: nothing.

  Args:
    expected: of the undisturbed folder.
    found: of the other one.
    may_differ: called with the name of a fact that differs; whether that is right.
  """
  lines = []
  for name in sorted({*expected, *found}):
    if expected.get(name) == found.get(name) or may_differ(name):
      continue
    if name not in found:
      lines.append(f'{name} is missing')
    elif name not in expected:
      lines.append(f'{name} is a stray')
    else:
      lines.append(f'{name}: {_difference(expected[name], found[name])}')
  more = f' and {len(lines) - _SHOWN} more' if len(lines) > _SHOWN else ''
  return '; '.join(lines[:_SHOWN]) + more


def _difference(expected: Any, found: Any) -> str:
  if isinstance(expected, dict) and isinstance(found, dict):
    names = [n for n in sorted({*expected, *found}) if expected.get(n) != found.get(n)]
    return f'{len(names)} of {len(expected)} values differ, the first: {names[0]}'
  return f'{_short(found)} instead of {_short(expected)}'


def _short(value: Any) -> str:
  text = str(value)
  return text if len(text) < 160 else f'{text[:160]}…'


def check_whole(folder: pathlib.Path) -> None:
  """Reads every file that has its final name completely; unfinished ones are passed over.

  TensorBoard's files grow, and their readers stop at a cut end; the index of a checkpoint is
  written in place by TensorFlow, and whoever looks for a checkpoint passes over a cut one. Neither
  is looked at.

  Raises:
    Fault: one is cut or damaged.
  """
  for path in sorted(folder.rglob('*')):
    grows = 'tfevents' in path.name or path.suffix == '.index' or path.name in _LOCKS
    if path.is_file() and not grows and not _is_unfinished(path.relative_to(folder)):
      _read(path)


def _is_unfinished(path: pathlib.Path) -> bool:
  """Whether a name says that the file is not finished."""
  return any(
      part.startswith('.part-') or part.endswith('.part') or '_temp' in part or '.tmp' in part
      or '.tempstate' in part for part in path.parts)


def tensors(prefix: pathlib.Path) -> dict[str, str]:
  """Returns digests of a TensorFlow checkpoint's tensors by name; every one is read."""
  reader = tf.train.load_checkpoint(str(prefix))
  found = {}
  for name in reader.get_variable_to_shape_map():
    value = reader.get_tensor(name)  # of all, since a cut file shows only when it is read
    if name not in _NOT_COMPARED:
      found[name] = _digest(np.ascontiguousarray(value).tobytes())
  return found


def _read(path: pathlib.Path) -> Any:
  """Returns what is compared of a file.

  Raises:
    Fault: it is damaged.
  """
  try:
    if path.suffix == '.index':
      return tensors(path.with_suffix(''))
    if _DATA in path.name:
      return 'read through its index'
    if path.name == 'checkpoint':
      return _state(path)
    if path.suffix == '.json':
      return _json(path)
    if path.suffix in ('.png', '.jpg'):
      return _image(path)
    if path.suffix == '.tfrecord':
      return _records(path)
    return _digest(path.read_bytes())
  except _UNREADABLE as error:
    kind = type(error).__name__
    raise Fault(
        f'{path.name} is under its final name and cannot be read: {kind}: {error}') from error


def _digest(data: bytes) -> str:
  return hashlib.sha256(data).hexdigest()


def _state(path: pathlib.Path) -> dict[str, Any]:
  state = tf.train.get_checkpoint_state(str(path.parent))
  if state is None:
    raise ValueError('it does not name a checkpoint')
  return {
      'newest': pathlib.Path(state.model_checkpoint_path).name,
      'all': [pathlib.Path(one).name for one in state.all_model_checkpoint_paths]}


def _json(path: pathlib.Path) -> Any:
  content = json.loads(path.read_text())
  if path.parent.name == 'evaluations':
    entries = content if path.name == 'history.json' else [content]
    return [{key: value for key, value in entry.items() if key != 'time'} for entry in entries]
  if path.name == 'best.json':
    return {**content, 'checkpoint': pathlib.Path(content['checkpoint']).name}
  if path.name == 'predictions.json':
    for row in content['annotations']:
      _image(path.parent / row['file_name'])  # of every image in it, the PNG is there
  if path.name.endswith('.report.json'):
    return {key: value for key, value in content.items() if key != 'shards_kept'}
  if path.name.endswith('.manifest.json'):
    return sorted(content['finished'])
  return content


def _records(path: pathlib.Path) -> list[str]:
  records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
  size = sum(len(record) + _AROUND_RECORD for record in records)
  if size != path.stat().st_size:  # TensorFlow passes over a cut length at the end
    raise ValueError(f'its records have {size} of its bytes')
  return [_digest(record) for record in records]


def _image(path: pathlib.Path) -> str:
  with Image.open(path) as image:
    image.load()
    return _digest(f'{image.mode} {image.size}'.encode() + image.tobytes())


def _summaries(folder: pathlib.Path, name: str) -> Facts:
  """Returns the values in TensorBoard's files of a folder: a list of each tag at each step.

  A list of more than one value is a step that is there twice. As TensorBoard does, what came before
  a restart at a step is forgotten from that step on.
  """
  found: dict[str, list] = collections.defaultdict(list)
  steps: dict[str, int] = {}
  for path in sorted(folder.glob('*tfevents*')):
    for event in _events(path):
      if event.session_log.status == tf.compat.v1.SessionLog.START:
        for key in [key for key, step in steps.items() if step >= event.step]:
          found.pop(key, None)
      for value in event.summary.value:
        key = f'{name}: {value.tag} at step {event.step}'
        found[key].append(_digest(value.tensor.SerializeToString()))
        steps[key] = event.step
  return dict(found)


def _events(path: pathlib.Path):
  """Yields the events of a file up to the place where a kill may have cut it."""
  try:
    for record in tf.data.TFRecordDataset(str(path)):
      yield tf.compat.v1.Event.FromString(record.numpy())
  except (tf.errors.OpError, ValueError):
    return
