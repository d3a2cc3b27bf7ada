"""Opens files that others made; what is not a file of a plausible size is refused in one line."""

import io
import json
import math
import os
import stat
from typing import Any, BinaryIO

import tensorflow as tf

from tf_maskformer import errors

# Bytes of a JSON file, of which Python needs up to 30 times as many; an index of 10 000 tensors has
# 1 MB.
_LARGEST_JSON = 2 * 2**20


def open_file(path: str) -> BinaryIO:
  """Opens a local or remote file for reading, with `seek`; a remote one is fetched.

  Raises:
    UserError: it is missing or empty, may not be read, or is a folder, a pipe or a device.
  """
  try:
    file = _open_remote(path) if '://' in path else _open_local(path)
  except (OSError, ValueError, tf.errors.OpError) as e:
    raise errors.UserError(f'{path} cannot be read ({_reason(e)}); name another file') from e
  if file.seek(0, os.SEEK_END) == 0:
    file.close()
    raise errors.UserError(f'{path} is empty; was it cut off? Download it again')
  file.seek(0)
  return file


def _reason(error: Exception) -> str:
  return errors.reason(error) if errors.is_of_file_system(error) else errors.quoted(error)


def _open_remote(path: str) -> BinaryIO:
  with tf.io.gfile.GFile(path, 'rb') as file:
    return io.BytesIO(file.read())


def _open_local(path: str) -> BinaryIO:
  # A pipe that nobody writes to would otherwise be waited for.
  file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 'rb')  # noqa: SIM115
  if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
    file.close()
    raise ValueError('it is not a regular file')
  return file


def read_json(path: str) -> Any:
  """Returns the content of a small JSON file, whose names are there once and numbers finite.

  Raises:
    UserError: it cannot be read, is damaged, larger than 2 MB or nested too deeply.
  """
  with open_file(path) as file:
    text = file.read(_LARGEST_JSON + 1)
  try:
    if len(text) > _LARGEST_JSON:
      raise ValueError(f'it has more than {_LARGEST_JSON} bytes')
    return json.loads(
        text.decode('utf-8'), object_pairs_hook=_without_repetition, parse_float=_finite,
        parse_constant=_finite)
  except RecursionError as e:
    raise errors.UserError(f'{path} cannot be read as JSON (it is nested too deeply)') from e
  except ValueError as e:
    raise errors.UserError(f'{path} cannot be read as JSON ({e}); download it again') from e


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  values = dict(pairs)
  if len(values) < len(pairs):
    names = sorted(name for name, _ in pairs)
    twice = next(name for name, following in zip(names, names[1:]) if name == following)
    raise ValueError(f'{errors.quoted(twice)} is there twice')
  return values


def _finite(text: str) -> float:
  value = float(text)
  if not math.isfinite(value):
    raise ValueError(f'{errors.quoted(text)} is not a finite number')
  return value
