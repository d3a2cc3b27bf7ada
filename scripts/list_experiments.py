"""Prints the registered experiments; with a pattern, those that match it anywhere.

  python3 scripts/list_experiments.py
  python3 scripts/list_experiments.py 'coco*r101'
  python3 scripts/list_experiments.py --show maskformer_coco_panoptic

--show prints every setting of one experiment as YAML, as the params.yaml of a run holds them.
"""

import fnmatch
import os
from collections.abc import Sequence

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer.configs.experiments import table

COLUMNS = (
    'experiment', 'model', 'data_set', 'task', 'backbone', 'schedule', 'precision', 'expected',
    'source')
_LEGEND = (
    'schedule: images per step x steps; precision: of the official training, here float32 unless '
    "runtime.mixed_precision_dtype says otherwise; expected: the source's published result")


def aligned(rows: Sequence[Sequence[str]]) -> str:
  """Returns rows of text as lines with aligned columns."""
  widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
  lines = ['  '.join(cell.ljust(w) for cell, w in zip(row, widths)) for row in rows]
  return '\n'.join(line.rstrip() for line in lines)


def listing(pattern: str) -> str:
  """Returns the table of the experiments whose names have a part that matches `pattern`.

  Raises:
    UserError: there is none.
  """
  found = [name for name in table.ROWS if fnmatch.fnmatchcase(name, f'*{pattern}*')]
  if not found:
    raise errors.unknown('experiment', pattern.strip('*'), table.ROWS)
  rows = [COLUMNS]
  for name in found:
    row = table.ROWS[name]
    rows.append((name, *(getattr(row, column) for column in COLUMNS[1:])))
  return f'{aligned(rows)}\n\n{_LEGEND}'


def shown(name: str) -> str:
  """Returns every setting of an experiment as YAML, as the params.yaml of a run would hold it.

  Raises:
    UserError: the name is unknown.
  """
  if name not in table.ROWS:
    raise errors.unknown('experiment', name, table.ROWS)
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  from tf_maskformer.configs.experiments import registry
  from tf_maskformer.configs.experiments import settings
  experiment = registry.get(name)
  if not experiment.fits_data:  # else what is missing follows from the records
    settings.settle(experiment)
  return settings.as_yaml(experiment, name).rstrip()


def flags() -> cli.Parser:
  """Returns the flags of this program."""
  parser = cli.Parser(__doc__)
  parser.add_argument('pattern', nargs='?', help='part of a name; * and ? as in file names')
  parser.add_argument('--show', metavar='NAME', help='print the settings of this experiment')
  return parser


def main(argv: Sequence[str]) -> None:
  arguments = flags().parse(argv)
  if arguments.show is None:
    print(listing(arguments.pattern or ''))
  elif arguments.pattern is None:
    print(shown(arguments.show))
  else:
    raise errors.UserError('a pattern and --show do not go together; give one of them')


if __name__ == '__main__':
  cli.run(main)
