"""Files that are not of settings: each is refused in one line, none is read without end."""

import os

import pytest

from tf_maskformer.configs import override_files
from tf_maskformer.errors import UserError


def _refusal(path):
  with pytest.raises(UserError) as error:
    override_files.read(str(path))
  return str(error.value)


@pytest.mark.parametrize('name, content, problem', [
    ('a.yaml', b'\xff\xfea\0', 'byte 0 is not UTF-8'), ('a.yaml', b'a: \0', 'not YAML'),
    ('a.yaml', b' ' * (2**16 + 1), 'more than 65536 bytes'), ('a.yaml', b'[1]', 'no settings'),
    ('a.json', b'{"a": 1, "a": 1}', 'a is given twice'),
    ('a.json', b'[' * 5000, 'nested too deeply'),
    ('a.json', b'{"a": ' + b'[' * 40 + b']' * 40 + b'}', 'nested deeper'),
    ('a.json', b'{"a": ' + b'9' * 5000 + b'}', '5000 digits'), ('a.json', b'[]', 'no settings')])
def test_content(tmp_path, name, content, problem):
  (tmp_path / name).write_bytes(content)
  message = _refusal(tmp_path / name)
  assert problem in message and message.isprintable() and len(message) < 500


def test_byte_order_mark_and_any_line_ends(tmp_path):
  (tmp_path / 'a.yaml').write_bytes(b'\xef\xbb\xbfa: 1\r\nb: 2\r\n')
  assert override_files.read(str(tmp_path / 'a.yaml')) == {'a': 1, 'b': 2}


def test_what_is_not_a_file(tmp_path):
  os.mkfifo(tmp_path / 'pipe.yaml')
  (tmp_path / 'folder.yaml').mkdir()
  (tmp_path / 'device.yaml').symlink_to('/dev/zero')
  for name in ('pipe.yaml', 'folder.yaml', 'device.yaml'):
    assert 'it is not a file' in _refusal(tmp_path / name)
  assert 'No such file or directory' in _refusal(tmp_path / 'absent.yaml')
  assert 'not a name of a file' in _refusal('a\0.yaml')
  assert 'cannot be read' in _refusal('http://example.org/a.yaml')
