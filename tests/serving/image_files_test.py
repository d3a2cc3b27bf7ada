"""Files, folders and patterns become images whose results have names of their own."""

import pathlib

import pytest

from tf_maskformer.errors import UserError
from tf_maskformer.serving import image_files


@pytest.fixture(name='tree')
def make_tree(tmp_path, monkeypatch):
  for name in ('x.jpg', 'note.txt', '.hidden.jpg', 'a/1.jpg', 'a/2.PNG', 'b/1.jpg', 'b/deep/3.webp',
               '.cache/4.jpg', 'out/x_overlay.png'):
    path = tmp_path / 'in' / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
  monkeypatch.chdir(tmp_path)
  return tmp_path / 'in'


def names(*given, output='out', recursive=False):
  found = image_files.find([str(text) for text in given], pathlib.Path(output), recursive)
  return {image.path.as_posix(): image.name for image in found}


def test_a_folder_flat_and_recursively(tree):
  del tree
  assert names('in') == {'in/x.jpg': 'x'}
  assert names('in', recursive=True, output='in/out') == {
      'in/a/1.jpg': 'a/1', 'in/a/2.PNG': 'a/2', 'in/b/1.jpg': 'b/1',
      'in/b/deep/3.webp': 'b/deep/3', 'in/x.jpg': 'x'}
  assert 'in/out/x_overlay.png' in names('in', recursive=True)  # which is not the output folder


def test_patterns(tree):
  assert names('in/*/*.jpg') == {'in/a/1.jpg': 'a/1', 'in/b/1.jpg': 'b/1'}
  assert names('in/b/**/*') == {'in/b/1.jpg': '1', 'in/b/deep/3.webp': 'deep/3'}
  assert names('in/a/?.jpg') == {'in/a/1.jpg': '1'}
  (tree / 'x[1].jpg').touch()
  assert names('in/x[1].jpg') == {'in/x[1].jpg': 'x[1]'}  # a file before a pattern


def test_single_files(tree):
  (tree / 'note').touch()
  assert names('in/a/1.jpg', 'in/x.jpg', 'in/note') == {
      'in/a/1.jpg': '1', 'in/x.jpg': 'x', 'in/note': 'note'}


def test_names_that_would_collide_keep_their_folders(tree):
  assert list(names('in/a/1.jpg', 'in/b/1.jpg').values()) == ['a/1', 'b/1']
  assert list(names('in/a', 'in/b', 'in/x.jpg').values()) == ['a/1', 'a/2', 'b/1', 'x']
  assert list(names('in/a', tree / 'b/1.jpg').values()) == ['a/1', 'a/2', 'b/1']


def test_names_that_differ_in_their_suffix_keep_it(tree):
  (tree / 'a/1.png').touch()
  assert sorted(names('in/a').values()) == ['1.jpg', '1.png', '2']
  assert sorted(names('in/a', 'in/b').values()) == ['a/1.jpg', 'a/1.png', 'a/2', 'b/1']


def test_an_image_counts_once(tree):
  assert names('in', 'in/x.jpg', tree) == {'in/x.jpg': 'x'}


def test_results_that_would_collide(tree):
  (tree / 'x_labels.jpg').touch()
  message = 'x.jpg and .*x_labels.jpg, which would both write x_labels.png'
  with pytest.raises(UserError, match=message):
    names('in')


def test_nothing_there(tree):
  (tree / 'empty').mkdir()
  for given in ('in/none', 'in/*.gif', 'in/note.txt*'):
    with pytest.raises(UserError, match='is not an image, not a folder .* and not a pattern'):
      names(given)
  with pytest.raises(UserError, match='not a folder with images .*; --recursive searches'):
    names('in/empty')
  with pytest.raises(UserError, match=r'not a folder with images \(.*webp\)$'):
    names('in/empty', recursive=True)


@pytest.mark.parametrize('given, output', [
    (['in/a'], 'in/a'), (['in/a/1.jpg'], 'in/a'), (['in/a', 'in/b'], 'in'), (['in/*.jpg'], 'in')])
def test_images_are_not_replaced(tree, given, output):
  del tree
  images = image_files.find(given, pathlib.Path(output))
  with pytest.raises(UserError, match='is the folder of the images'):
    image_files.check_output(images, pathlib.Path(output))
  image_files.check_output(images, pathlib.Path('in/results'))


def test_videos_webcams_and_standard_input(tree):
  for name in ('clip.mp4', 'a/turn.MOV', 'a/1.mkv'):
    (tree / name).touch()
  found = image_files.find(
      ['in/clip.mp4', 'in/a/*', '0', 'webcam:2', '/dev/video3', '-'], pathlib.Path('out'))
  assert [(f.name, f.kind) for f in found] == [
      ('clip', 'video'), ('1.jpg', 'image'), ('1.mkv', 'video'), ('2', 'image'), ('turn', 'video'),
      ('webcam_0', 'webcam'), ('webcam_2', 'webcam'), ('webcam_3', 'webcam'), ('stdin', 'stdin')]
  assert found[5].path == pathlib.Path('/dev/video0')
  image_files.check_output(found, pathlib.Path('.'))  # not where the camera or the terminal is
  assert [f.name for f in image_files.find(['in'], pathlib.Path('out'))] == ['x']
  (tree.parent / '0').touch()
  assert [f.kind for f in image_files.find(['0'], pathlib.Path('out'))] == ['image']


def test_a_folder_of_videos_alone(tree):
  (tree / 'clips').mkdir()
  (tree / 'clips/a.mp4').touch()
  with pytest.raises(UserError, match='it has videos: name them, or give a pattern in quotes'):
    names('in/clips')


def test_only_results_that_are_written_collide(tree):
  (tree / 'x_labels.jpg').touch()
  found = image_files.find(['in'], pathlib.Path('out'), endings=('_overlay.png',))
  assert [image.name for image in found] == ['x', 'x_labels']
