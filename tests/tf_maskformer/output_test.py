"""The folder that a program writes into."""

import pytest

from tf_maskformer import files
from tf_maskformer import output
from tf_maskformer.errors import UserError


def test_strays_are_removed_before_and_after(tmp_path):
  (tmp_path / 'deep').mkdir()
  for folder in (tmp_path, tmp_path / 'deep'):
    (folder / f'{files.PREFIX}a').touch()
  with output.opened(tmp_path, 'advice', ['', 'deep']):
    assert sorted(path.name for path in tmp_path.rglob('*')) == ['.lock', 'deep']
    (tmp_path / f'{files.PREFIX}b').touch()
    (tmp_path / 'result').touch()
    with pytest.raises(UserError, match='in use by process'), output.opened(tmp_path, 'advice'):
      pass
  assert sorted(path.name for path in tmp_path.rglob('*')) == ['deep', 'result']


def test_a_mistake_leaves_no_new_folder(tmp_path):
  (tmp_path / 'old').mkdir()
  for name in ('old', 'new'):
    with pytest.raises(ValueError), output.opened(tmp_path / name, 'advice'):
      raise ValueError
  assert [path.name for path in tmp_path.iterdir()] == ['old']


@pytest.mark.parametrize('name, message', [
    ('a\0b', '--output .* is not possible'), ('x' * 300, 'File name too long'),
    ('file', 'is not a directory'), ('file/deep', 'Not a directory.*; advice')])
def test_impossible_folders(tmp_path, name, message):
  (tmp_path / 'file').touch()
  with pytest.raises(UserError, match=message), output.opened(tmp_path / name, 'advice'):
    pass


def test_no_name():
  with pytest.raises(UserError, match='--output is empty'), output.opened('', 'advice'):
    pass
