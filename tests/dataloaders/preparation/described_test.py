"""The description next to records: it is of all of them, or the conversion stops."""

import pytest

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders.preparation import described
from tf_maskformer.errors import UserError


def data_set(*names):
  return DataSet('own', tuple(Class(i, name, True, (i, 0, 0)) for i, name in enumerate(names)))


def write(folder, names, splits, task='instance'):
  described.write(str(folder), data_set(*names), splits, task)


def test_what_is_written_is_read(tmp_path):
  write(tmp_path / 'new/folder', ['cat', 'dog'], ['train'])
  found = catalog.describe(described.path(f'{tmp_path}/new/folder'))
  assert found.task == 'instance'
  assert found.data_set == data_set('cat', 'dog')


def test_records_of_other_classes(tmp_path):
  write(tmp_path, ['cat', 'dog'], ['train', 'val'])
  for split in ('train', 'test'):
    (tmp_path / f'{split}.manifest.json').write_text('{}')
  before = (tmp_path / 'data_set.yaml').read_text()
  message = 'holds records of test of other classes: class 1 is dog in own, cow in own; choose an'
  with pytest.raises(UserError, match=message):
    write(tmp_path, ['cat', 'cow'], ['train', 'val'])
  assert (tmp_path / 'data_set.yaml').read_text() == before
  write(tmp_path, ['cat', 'dog'], ['train', 'val'], 'panoptic')  # the same classes
  write(tmp_path, ['cat', 'cow'], ['train', 'test'])  # all of them are made again
  assert catalog.get(str(tmp_path)) == data_set('cat', 'cow')
  with pytest.raises(UserError, match='records of test, train of other classes: 2 of own, 1 of'):
    write(tmp_path, ['cat'], ['val'])


@pytest.mark.parametrize('text', ['classes: [', 'classes: []', 'x: 1', ''])
def test_a_description_that_cannot_be_read_is_written_again(tmp_path, capsys, text):
  (tmp_path / 'data_set.yaml').write_text(text)
  (tmp_path / 'test.manifest.json').write_text('{}')
  write(tmp_path, ['cat'], ['train'])
  assert catalog.get(str(tmp_path)) == data_set('cat')
  printed = capsys.readouterr().out
  assert printed.startswith('warning: ') and printed.endswith('; it is written again\n')
  assert f'{tmp_path}/data_set.yaml' in printed


def test_a_folder_that_cannot_be_made(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='file/x/data_set.yaml.*correct that and run the same com'):
    write(tmp_path / 'file/x', ['cat'], ['train'])


def test_reports_that_say_former_records_are_finished_are_removed(tmp_path):
  for split in ('train', 'val', 'test'):
    (tmp_path / f'{split}.report.json').write_text('{}')
  write(tmp_path, ['cat'], ['train', 'val'])
  assert [path.name for path in tmp_path.glob('*.report.json')] == ['test.report.json']
