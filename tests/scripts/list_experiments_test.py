"""The list of experiments, with and without a pattern, and the settings of one."""

import subprocess
import sys

import pytest
import yaml

from tests import support
from tf_maskformer.configs import overrides
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import registry
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
    for column in list_experiments.COLUMNS[1:]:
      assert getattr(row, column) in line


def test_a_line_of_the_table(capsys):
  line = _printed(capsys, 'mask2former_cityscapes_semantic_swin_base').splitlines()[1]
  assert line.split('  ')[-2:] == [
      'mIoU 83.3', 'Mask2Former/configs/cityscapes/semantic-segmentation/swin/'
      'maskformer2_swin_base_IN21k_384_bs16_90k.yaml']


@pytest.mark.parametrize('pattern', ['shapes', 'shapes*tic', 'maskformer_shapes_panoptic'])
def test_pattern(capsys, pattern):
  printed = _printed(capsys, pattern)
  assert 'maskformer_shapes_panoptic' in printed and 'maskformer_coco_panoptic' not in printed


def test_pattern_without_a_match():
  with pytest.raises(UserError, match="'maskformer_shapes_panoptik' is unknown; did you mean"):
    list_experiments.main(['maskformer_shapes_panoptik'])


def test_table_aligns():
  assert list_experiments.aligned([('a', 'bb'), ('ccc', 'd')]) == 'a    bb\nccc  d'


@pytest.mark.parametrize('name', ['mask2former_shapes_panoptic', 'per_pixel_ade20k_full_semantic'])
def test_show_prints_every_setting(capsys, name):
  shown = yaml.safe_load(_printed(capsys, '--show', name))
  assert shown.pop('experiment') == name
  experiment = registry.get(name)
  num_classes = catalog.get(experiment.task.data_set).num_classes
  assert shown['task']['model']['num_classes'] == num_classes
  overrides.apply_values(experiment, shown, 'shown')  # every key and value is a valid setting
  assert experiment.as_dict() == shown


def test_show_without_a_right_name_loads_no_tensorflow():
  script = """
import sys
from tf_maskformer import errors
from tf_maskformer.scripts import list_experiments
try:
  list_experiments.main(['--show', 'maskformer_coco_panoptik'])
except errors.UserError as error:
  print(error, 'tensorflow' in sys.modules)
"""
  done = subprocess.run(
      [sys.executable, '-c', script], cwd=support.ROOT, capture_output=True, text=True, check=True)
  assert "'maskformer_coco_panoptik' is unknown; did you mean" in done.stdout
  assert done.stdout.rstrip().endswith('False')


def test_pattern_and_show():
  with pytest.raises(UserError, match='do not go together'):
    list_experiments.main(['coco', '--show', 'maskformer_coco_panoptic'])
