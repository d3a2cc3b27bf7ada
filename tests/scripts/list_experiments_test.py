"""The list of experiments, with and without a pattern."""

import dataclasses

import pytest

from tf_maskformer.configs.experiments import table
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import list_experiments


def _printed(capsys, *argv):
  list_experiments.main(argv)
  return capsys.readouterr().out


def test_prints_every_experiment_with_its_row(capsys):
  lines = _printed(capsys).splitlines()
  assert lines[0].split()[0] == 'experiment'
  for name, row in table.ROWS.items():
    line = next(line for line in lines if line.startswith(f'{name} '))
    assert all(str(value) in line for value in dataclasses.astuple(row))


@pytest.mark.parametrize('pattern', ['shapes', 'shapes*tic', 'maskformer_shapes_panoptic'])
def test_pattern(capsys, pattern):
  printed = _printed(capsys, pattern)
  assert 'maskformer_shapes_panoptic' in printed and 'maskformer_coco_panoptic' not in printed


def test_pattern_without_a_match():
  with pytest.raises(UserError, match="experiment 'maskformer_shapes_panoptik' is unknown; did you mean"):
    list_experiments.main(['maskformer_shapes_panoptik'])


def test_table_aligns():
  assert list_experiments.aligned([('a', 'bb'), ('ccc', 'd')]) == 'a    bb\nccc  d'
