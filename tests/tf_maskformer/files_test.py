"""Files appear whole or not at all."""

import json
import os
import pathlib

import pytest

from tf_maskformer import files
from tf_maskformer.errors import UserError


def test_a_file_appears_when_its_block_ends(tmp_path):
  path = tmp_path / 'a.json'
  with files.write_atomically(path) as temporary:
    with open(temporary, 'w', encoding='utf-8') as file:
      file.write('{}')
    assert not path.exists() and temporary.endswith('.json')
  assert path.read_text() == '{}' and list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
  path = tmp_path / 'a.txt'
  path.write_text('old')
  with pytest.raises(KeyboardInterrupt), files.write_atomically(path) as temporary:
    with open(temporary, 'w', encoding='utf-8') as file:
      file.write('half')
    raise KeyboardInterrupt
  assert path.read_text() == 'old' and list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
  with pytest.raises(FileNotFoundError), files.write_atomically(tmp_path / 'a.txt'):
    pass
  assert not list(tmp_path.iterdir())


def test_json_that_cannot_be_written_leaves_the_old(tmp_path):
  path = tmp_path / 'a.json'
  files.write_json(path, {'a': 1})
  with pytest.raises(TypeError):
    files.write_json(path, {'a': object()})
  assert json.loads(path.read_text()) == {'a': 1} and list(tmp_path.iterdir()) == [path]


def test_remote_paths_go_through_tensorflow():
  import tensorflow as tf
  files.write_text('ram://folder/a.txt', 'text')
  with tf.io.gfile.GFile('ram://folder/a.txt') as file:
    assert file.read() == 'text'
  assert tf.io.gfile.listdir('ram://folder') == ['a.txt']


@pytest.mark.parametrize('folder', ['local', 'ram://unfinished'])
def test_what_a_killed_process_left_is_removed(folder, tmp_path):
  folder = folder if '://' in folder else f'{tmp_path}/{folder}'
  tf = pytest.importorskip('tensorflow')
  for name in ('.part-a.json', '.part-folder/ckpt-0.index', 'b.json'):
    tf.io.gfile.makedirs(os.path.dirname(f'{folder}/{name}'))
    files.write_text(f'{folder}/{name}', 'x')
  files.remove_unfinished(folder)
  assert tf.io.gfile.listdir(folder) == ['b.json']
  files.remove_unfinished(f'{folder}/not-there')


def test_a_full_disk_is_one_line():
  message = 'results cannot be written .No space left.*; make room'
  with pytest.raises(UserError, match=message), files.writing('results', 'make room'):
    pathlib.Path('/dev/full').write_bytes(b'x')


def test_a_fault_inside_the_block_stays():
  with pytest.raises(ZeroDivisionError), files.writing('results', 'make room'):
    raise ZeroDivisionError
