"""An export appears complete under its name, or not at all."""

import pytest

from tf_maskformer import lock
from tf_maskformer.errors import UserError
from tf_maskformer.serving.export import place
from tf_maskformer.serving.export.plan import Plan

PLAIN = Plan('onnx', 'raw')
SERVING = Plan('saved_model', 'raw', layout='serving')
TRITON = Plan('saved_model', 'raw', layout='triton')


def write(output, plan, text='model'):
  with place.opened(str(output), plan) as found:
    (found.folder / 'a').mkdir()
    (found.folder / 'a' / 'file').write_text(text)
    assert not found.final.exists() or not any(found.final.iterdir())
  return found.final


def names(folder):
  return sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*'))


def test_a_folder_appears_in_the_end(tmp_path):
  final = write(tmp_path / 'deep' / 'out', PLAIN)
  assert final == tmp_path / 'deep' / 'out'
  assert (final / 'a' / 'file').read_text() == 'model'
  assert names(tmp_path) == ['deep', 'deep/out', 'deep/out/a', 'deep/out/a/file']


def test_an_empty_folder_may_be_there(tmp_path):
  (tmp_path / 'out').mkdir()
  write(tmp_path / 'out', PLAIN)
  assert names(tmp_path) == ['out', 'out/a', 'out/a/file']


@pytest.mark.parametrize('plan', [PLAIN, SERVING, TRITON])
@pytest.mark.parametrize('error', [UserError('wrong'), KeyboardInterrupt(), SystemExit(143)])
def test_nothing_is_left_of_a_failure(tmp_path, plan, error):
  with pytest.raises(type(error)), place.opened(str(tmp_path / 'out'), plan) as found:
    (found.folder / 'file').write_text('half')
    raise error
  assert names(tmp_path) == []


def test_what_the_file_system_refuses_is_one_line(tmp_path):
  message = 'cannot be written .No space left.*nothing was written'
  with pytest.raises(UserError, match=message), place.opened(str(tmp_path / 'out'), PLAIN):
    raise OSError(28, 'No space left on device')
  assert names(tmp_path) == []


def test_what_a_killed_export_left_is_replaced(tmp_path):
  (tmp_path / '.part-out').mkdir()
  (tmp_path / '.part-out' / 'old').write_text('half')
  assert names(write(tmp_path / 'out', PLAIN)) == ['a', 'a/file']
  assert names(tmp_path) == ['out', 'out/a', 'out/a/file']


def test_versions_are_added(tmp_path):
  assert write(tmp_path / 'coco', SERVING) == tmp_path / 'coco' / '1'
  assert write(tmp_path / 'coco', SERVING, 'newer') == tmp_path / 'coco' / '2'
  assert (tmp_path / 'coco/1/a/file').read_text() == 'model'
  assert (tmp_path / 'coco/2/a/file').read_text() == 'newer'
  with pytest.raises(UserError), place.opened(str(tmp_path / 'coco'), SERVING):
    raise UserError('wrong')
  assert sorted(path.name for path in (tmp_path / 'coco').iterdir()) == ['1', '2']


def test_triton(tmp_path):
  final = write(tmp_path / 'coco', TRITON)
  assert final == tmp_path / 'coco' / '1' / 'model.savedmodel'
  assert names(tmp_path / 'coco' / '1') == [
      'model.savedmodel', 'model.savedmodel/a', 'model.savedmodel/a/file']


@pytest.mark.parametrize('layout', ['plain', 'serving', 'triton'])
def test_a_folder_with_something_else_is_refused(tmp_path, layout):
  (tmp_path / 'notes.txt').write_text('mine')
  with pytest.raises(UserError, match='holds notes.txt.*; name a new folder, or remove it'):
    place.check(str(tmp_path), layout)
  with pytest.raises(UserError, match='is not a directory'):
    place.check(str(tmp_path / 'notes.txt'), layout)
  with pytest.raises(UserError, match='is remote'):
    place.check('gs://bucket/model', layout)


def test_an_output_that_another_process_writes(tmp_path):
  with lock.held(tmp_path, '.out.lock'), pytest.raises(UserError, match='is in use by process'):
    write(tmp_path / 'out', PLAIN)
