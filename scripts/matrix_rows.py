"""The rows of `scripts/export_matrix.py`: a JSON that grows row by row, and a table of it."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

from tf_maskformer import errors
from tf_maskformer import files

HEAD = ('model', 'format', 'task', 'size', 'result', 'largest', 'equal', 's', 's checkpoint', 'MB')
_ROWS = 'matrix.json'
_TABLE = 'matrix.md'
_KEY = ('model', 'format', 'task', 'kind', 'size', 'precision')


def key(row: Mapping[str, Any]) -> tuple:
  """Returns what a row is of."""
  return tuple(row[name] for name in _KEY)


def read(folder: str | os.PathLike) -> list[dict[str, Any]]:
  """Returns the rows of a folder so far."""
  path = pathlib.Path(folder) / _ROWS
  return files.read_json(path) if path.exists() else []


def add(folder: str | os.PathLike, row: dict[str, Any]) -> None:
  """Writes one more row and prints it."""
  rows = [*read(folder), row]
  files.write_json(pathlib.Path(folder) / _ROWS, rows)
  files.write_text(pathlib.Path(folder) / _TABLE, _markdown(rows))
  print('  '.join(text(row)), flush=True)


def text(row: Mapping[str, Any]) -> list[str]:
  """Returns the cells of a row, in the order of `HEAD`."""
  size = f'{row["size"]} {row["kind"]}'
  first = [row['model'], row['format'], row['task'], size]
  if 'problem' in row:
    return [*first, errors.quoted(row['problem']), '', '', '', '', '']
  equal = '100 %' if row['equal'] == 1 else f'{min(100 * row["equal"], 99.999):.3f} %'
  return [*first, 'works', f'{row["largest"]:.0e}', equal, f'{row["seconds"]:.2f}',
          f'{row["own_seconds"]:.2f}', f'{row["bytes"] / 1e6:.0f}']


def _markdown(rows: list[dict[str, Any]]) -> str:
  lines = [f'| {" | ".join(HEAD)} |', '|---' * len(HEAD) + '|']
  lines += [f'| {" | ".join(text(row))} |' for row in rows]
  return '\n'.join(lines) + '\n'
