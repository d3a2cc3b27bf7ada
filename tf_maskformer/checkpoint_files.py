"""Finds the newest whole TensorFlow checkpoint of a folder, by the checkpoints' files alone.

The text file `checkpoint` next to them, which TensorFlow would ask, may be missing, damaged or of
another folder. Here it only decides among checkpoints of foreign names.

A checkpoint of this project is `ckpt-N.index` with its `ckpt-N.data-…` files; the step is in its
name and, as `global_step`, inside. The step inside decides which is the newest, because training
continues from it: a file that was renamed to a higher number would otherwise be resumed from at
every start, whatever was saved since. Of equal steps the higher number is newer. Times never count.

While TensorFlow saves ckpt-N, the folder `ckpt-N_temp` exists. An incomplete ckpt-N with that one
is a save that was interrupted, not a checkpoint that was lost.
"""

import dataclasses
import os
import re
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import trackable_object_graph_pb2

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer import tensor_index
from tf_maskformer.errors import UserError
from tf_maskformer.sorted_tables import Damaged
from tf_maskformer.sorted_tables import require

VALUE = '/.ATTRIBUTES/VARIABLE_VALUE'
STATE = 'checkpoint'  # the text file
_STEP_KEYS = ('global_step' + VALUE, 'global_step')  # the second is TensorFlow 1's
_GRAPH_KEY = '_CHECKPOINTABLE_OBJECT_GRAPH'
_WEIGHTS = ('model/', 'backbone/')  # what the names of weights begin with
_TEMPORARY = '_temp'
_OWN = re.compile(r'(ckpt-(?:0|[1-9][0-9]{0,17}))(\.index|\.data-[0-9]{5}-of-[0-9]{5}|_temp)')
_UNREADABLE = (tf.errors.OpError, ValueError, IndexError)  # of TensorFlow's reader
_TRIES = 3
_NAMED = 3  # checkpoints in a message


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """A checkpoint of a folder.

  Attributes:
    prefix: its path without the endings of its files.
    number: at the end of its name; -1 where there is none.
    step: stored inside; None where it is not or cannot be read.
    problem: why it is not whole, as far as index and files' sizes tell; empty where it is.
    is_unfinished: whether its saving was interrupted.
  """
  prefix: str
  number: int
  step: int | None
  problem: str
  is_unfinished: bool = False

  @property
  def age(self) -> tuple[int, int, str]:
    """What newer ones have more of."""
    step = self.number if self.step is None else self.step
    return step, self.number, self.prefix


@dataclasses.dataclass(frozen=True)
class Search:
  """What a folder holds.

  Attributes:
    found: the newest whole checkpoint; None where there is none.
    checkpoints: all of them, the oldest first.
    problems: why the ones newer than `found` are not used, by prefix, the newest first.
  """
  found: Checkpoint | None
  checkpoints: list[Checkpoint]
  problems: dict[str, str]


def newest(
    folder: str, resumes: bool = False, allow_nonfinite: bool = False) -> Checkpoint | None:
  """Returns the newest whole checkpoint of a folder and warns of newer ones that are not whole.

  Args:
    folder: local or remote.
    resumes: only checkpoints that training can continue from: `ckpt-N` with step and object graph.
    allow_nonfinite: weights may be NaN or infinite.

  Returns:
    The checkpoint; None where the folder has none or does not exist.

  Raises:
    UserError: there are checkpoints, but none is whole; or which one is meant is not clear.
  """
  present = names(folder)
  for _ in range(_TRIES):
    result = search(folder, resumes, allow_nonfinite)
    before = names
    present = names(folder)
    if result.found or present == before:
      break  # else a training replaced them while they were read
  if result.found is None and result.problems:
    raise _none_is_whole(folder, result.problems)
  for prefix, problem in result.problems.items():
    errors.warn(f'checkpoint {prefix} cannot be read ({problem}); trying the one before')
  if resumes and result.found is None and not result.checkpoints and STATE in present:
    path = os.path.join(folder, STATE)
    if not tf.io.gfile.isdir(path):
      raise UserError(
          f'{path} is there, but no checkpoint ckpt-… next to it; restore them, or remove that '
          'file to start at step 0')
  return result.found


def search(folder: str, resumes: bool = False, allow_nonfinite: bool = False) -> Search:
  """Reads the checkpoints of a folder, the newest first, until one is whole; as `newest`."""
  present = names(folder)
  checkpoints = own(folder)
  if not checkpoints and not resumes:
    checkpoints = _foreign(folder, present)
  problems = {}
  for checkpoint in reversed(checkpoints):
    if checkpoint.is_unfinished:
      continue
    try:
      require(not checkpoint.problem, checkpoint.problem)
      read_all(checkpoint.prefix, resumes, allow_nonfinite)
      return Search(checkpoint, checkpoints, problems)
    except Damaged as e:
      problems[checkpoint.prefix] = str(e)
  return Search(None, checkpoints, problems)


def own(folder: str) -> list[Checkpoint]:
  """Returns the checkpoints `ckpt-N` of a folder, whole or not, the oldest first.

  Of their data only the step is read.
  """
  endings: dict[str, set[str]] = {}
  for name in names(folder):
    match = _OWN.fullmatch(name)
    if match:
      endings.setdefault(match[1], set()).add(match[2])
  found = [
      _examined(os.path.join(folder, name), int(name[len('ckpt-'):]), _TEMPORARY in present)
      for name, present in endings.items() if present != {_TEMPORARY}]
  return sorted(found, key=lambda checkpoint: checkpoint.age)


def read_all(prefix: str, resumes: bool = False, allow_nonfinite: bool = False) -> None:
  """Reads every tensor of a checkpoint with its checksum.

  Args:
    prefix: of a checkpoint; a path.
    resumes: it must have what training continues from.
    allow_nonfinite: weights may be NaN or infinite.

  Raises:
    Damaged: it is not whole.
  """
  index = tensor_index.Index(prefix)
  try:
    reader = tf.train.load_checkpoint(prefix)
    for name in index.tensors:
      value = reader.get_tensor(name)
      if not allow_nonfinite and _is_weight(name) and tf.as_dtype(value.dtype).is_floating:
        require(bool(np.isfinite(value).all()), f'{errors.quoted(name)} has NaN or infinite values')
  except Damaged:
    raise
  except _UNREADABLE as e:
    raise Damaged(errors.reason(e)) from e
  if resumes:
    _check_resumable(index, reader)


def _check_resumable(index: tensor_index.Index, reader) -> None:
  step = _step(index)
  require(step is not None, 'it does not say its step')
  require(step >= 0, f'its step is {step}')
  graph = index.tensors.get(_GRAPH_KEY)
  is_text = graph is not None and graph.type == 'DT_STRING' and graph.shape == ()
  require(is_text, 'it has no object graph; it is not a checkpoint of a training')
  _check_graph(reader.get_tensor(_GRAPH_KEY), set(index.tensors))


def _check_graph(data: bytes, keys: set[str]) -> None:
  """Raises Damaged unless an object graph only names nodes and tensors that there are."""
  try:
    nodes = trackable_object_graph_pb2.TrackableObjectGraph.FromString(data).nodes
  except DecodeError as e:
    raise Damaged('its object graph is damaged') from e
  require(len(nodes) > 0, 'its object graph is empty')
  reached = {0}
  waiting = [0]
  while waiting:
    node = nodes[waiting.pop()]
    named = {child.node_id for child in node.children}
    for slot in node.slot_variables:
      named |= {slot.original_variable_node_id, slot.slot_variable_node_id}
    is_sound = all(0 <= i < len(nodes) for i in named)
    is_sound = is_sound and all(a.checkpoint_key in keys for a in node.attributes)
    require(is_sound, 'its object graph names what is not in it')
    require(not node.registered_saver.name, 'its object graph names a saver of its own')
    waiting += named - reached
    reached |= named
  require(len(reached) == len(nodes), 'its object graph is in pieces')


def _is_weight(name: str) -> bool:
  """Whether a tensor is checked for NaN: what training checks before it saves, not the slots."""
  return name.startswith(_WEIGHTS) and '.OPTIMIZER_SLOT' not in name


def _examined(prefix: str, number: int, is_saving: bool = False) -> Checkpoint:
  try:
    return Checkpoint(prefix, number, _step(tensor_index.Index(prefix)), '')
  except Damaged as e:
    return Checkpoint(prefix, number, None, str(e), is_unfinished=is_saving)


def _step(index: tensor_index.Index) -> int | None:
  for key in _STEP_KEYS:
    step = index.number(key)
    if step is not None:
      return step
  return None


def _foreign(folder: str, present: Sequence[str]) -> list[Checkpoint]:
  """Returns the checkpoints of foreign names; the one that the text file names is the newest.

  Raises:
    UserError: it names none of them, and they do not say their steps.
  """
  prefixes = [name.removesuffix('.index') for name in present if name.endswith('.index')]
  found = []
  for name in prefixes:
    number = re.search(r'-([0-9]{1,18})$', name)
    found.append(_examined(os.path.join(folder, name), int(number[1]) if number else -1))
  found.sort(key=lambda checkpoint: checkpoint.age)
  latest = _named_by_state(folder)
  unordered = [c for c in found if c.number < 0 and c.step is None and not c.problem]
  if latest in prefixes:
    found.sort(key=lambda checkpoint: checkpoint.prefix == os.path.join(folder, latest))
  elif len(unordered) > 1:
    listed = ', '.join(errors.quoted(c.prefix.rpartition('/')[2]) for c in unordered[:_NAMED])
    raise UserError(
        f'{folder} has {len(unordered)} checkpoints without a step ({listed}); name the one that '
        'is meant by its prefix')
  return found


def _named_by_state(folder: str) -> str | None:
  """Returns the name of the newest checkpoint according to the text file, None where it is damaged.

  Only names in the folder itself count: a folder that was moved has paths of elsewhere.
  """
  try:
    state = tf.train.get_checkpoint_state(folder)
  except _UNREADABLE:
    return None  # it is empty or not UTF-8
  return state.model_checkpoint_path.rpartition('/')[2] if state else None


def _none_is_whole(folder: str, problems: dict[str, str]) -> UserError:
  rows = [f'{prefix.rpartition("/")[2]}: {why}' for prefix, why in list(problems.items())[:_NAMED]]
  return UserError(
      f'none of the {len(problems)} checkpoints in {folder} can be read ({"; ".join(rows)}); '
      'restore a copy, or choose another folder')


def names(folder: str) -> list[str]:
  """Returns the names in a folder, in order; none where it does not exist."""
  try:
    return sorted(name.rstrip('/') for name in tf.io.gfile.listdir(folder))
  except tf.errors.NotFoundError:
    return []
  except tf.errors.OpError as e:
    raise UserError(f'the folder {folder} cannot be read ({errors.reason(e)})') from e


def flush(prefix: str) -> None:
  """Returns once a local checkpoint outlives a power cut; TensorFlow itself does not flush.

  Raises:
    OSError: the file system refuses.
  """
  folder, own_name = os.path.split(prefix)
  if '://' in folder:
    return
  for name in names(folder):
    if _is_of(name, own_name):
      files.flush(os.path.join(folder, name))
  files.flush(folder)


def remove(prefix: str) -> None:
  """Removes a checkpoint `ckpt-N`: the index first, so that a kill leaves nothing half whole.

  Raises:
    OpError: the file system refuses.
  """
  folder, own_name = os.path.split(prefix)
  own_names = [name for name in names(folder) if _is_of(name, own_name)]
  for name in sorted(own_names, key=lambda name: not name.endswith('.index')):
    tf.io.gfile.remove(os.path.join(folder, name))


def _is_of(name: str, own_name: str) -> bool:
  match = _OWN.fullmatch(name)
  return match is not None and match[1] == own_name and match[2] != _TEMPORARY


def remove_temporary(folder: str) -> None:
  """Removes the folders `ckpt-N_temp` of saves that were interrupted; not links to folders.

  Raises:
    OpError: the file system refuses.
  """
  for name in names(folder):
    match = _OWN.fullmatch(name)
    path = os.path.join(folder, name)
    if match and match[2] == _TEMPORARY and tf.io.gfile.isdir(path) and not os.path.islink(path):
      tf.io.gfile.rmtree(path)
