"""Prints the registered experiments; with a pattern, those that match it anywhere.

  python3 scripts/list_experiments.py
  python3 scripts/list_experiments.py 'coco*r101'
"""

import fnmatch
from collections.abc import Sequence

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer.configs.experiments import table

COLUMNS = ('experiment', 'model', 'data_set', 'task', 'backbone', 'schedule', 'precision', 'expected', 'source')


def aligned(rows: Sequence[Sequence[str]]) -> str:
  """Returns rows of text as lines with aligned columns."""
  widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
  return '\n'.join('  '.join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows)


def main(argv: Sequence[str]) -> None:
  parser = cli.Parser(__doc__)
  parser.add_argument('pattern', nargs='?', default='*', help='part of a name; * and ? as in file names')
  pattern = f'*{parser.parse(argv).pattern}*'
  found = [name for name in table.ROWS if fnmatch.fnmatchcase(name, pattern)]
  if not found:
    raise errors.unknown('experiment', pattern.strip('*'), table.ROWS)
  rows = [(name, *(getattr(table.ROWS[name], column) for column in COLUMNS[1:])) for name in found]
  print(aligned([COLUMNS, *rows]))
  print('\nschedule: images per step x steps; precision: of the official training, here float32 unless '
        "runtime.mixed_precision_dtype says otherwise; expected: the source's published result")


if __name__ == '__main__':
  cli.run(main)
