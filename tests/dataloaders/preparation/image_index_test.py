"""An image is found by the name that a tool gave it, and never another one in its place."""

import pathlib
import unicodedata

import pytest

from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import image_index


def folder(tmp_path, *names):
  for name in names:
    path = tmp_path / 'images' / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'')
  return str(tmp_path / 'images')


@pytest.mark.parametrize('there, written', [
    ('a.jpg', 'a.jpg'), ('b/a.jpg', 'b/a.jpg'), ('a.jpg', 'images\\a.jpg'),
    ('b/a.jpg', 'C:\\Users\\me\\b\\a.jpg'), ('b/a.jpg', 'a.jpg'), ('a.jpg', 'other/folder/a.jpg'),
    ('a.jpg', '/home/me/data/a.jpg'), ('a.jpg', '../train/images/a.jpg'),
    ('a b (1).jpg', 'images/a%20b%20%281%29.jpg'), ('a b.jpg', 'a+b.jpg'), ('ü.jpg', '%C3%BC.jpg'),
    ('a+b.jpg', 'a+b.jpg'), ('a%20b.jpg', 'a%20b.jpg'), ('IMG_1.JPG', 'img_1.jpg'),
    ('cat.jpg', '/data/upload/1/8e1b2c3d-cat.jpg'), ('8e1b2c3d-cat.jpg', 'cat.jpg'),
    ('x/cat.jpg', '/data/local-files/?d=x/cat.jpg'),
    ('x/cat.jpg', '/data/local-files/?d=x%5Ccat.jpg'),
    ('cat.jpg', 'https://host/bucket/cat.jpg?signature=1%2F2'), ('a.png', 'a.jpg'), ('a.jpg', 'a'),
    (unicodedata.normalize('NFD', '고양이é.jpg'), unicodedata.normalize('NFC', '고양이é.jpg'))])
def test_the_names_that_tools_write(tmp_path, there, written):
  assert image_index.find(folder(tmp_path, there, 'z/zz.jpg'), written) == there


def test_the_folder_that_agrees_the_most(tmp_path):
  images = folder(tmp_path, 'train/1.jpg', 'val/1.jpg', 'x/val/2.jpg')
  assert image_index.find(images, 'D:\\data\\val\\1.jpg') == 'val/1.jpg'
  with pytest.raises(UnusableImage, match=r'1\.jpg may be train/1\.jpg or val/1\.jpg in'):
    image_index.find(images, 'test/1.jpg')


def test_an_image_is_not_taken_for_its_namesake_of_another_folder(tmp_path):
  images = folder(tmp_path, 'two/1.jpg')
  assert image_index.find(images, 'one/1.jpg', has_namesake=True) == 'one/1.jpg'
  assert image_index.find(images, 'set/two/1.jpg', has_namesake=True) == 'two/1.jpg'


def test_nothing_outside_the_folder(tmp_path):
  images = folder(tmp_path, 'a.jpg')
  (tmp_path / 'secret.jpg').write_bytes(b'')
  outside = str(tmp_path / 'secret.jpg')
  for name in ('../secret.jpg', outside, '..\\secret.jpg', 'x/../../secret.jpg'):
    with pytest.raises(UnusableImage, match='leaves the folder'):
      image_index.find(images, name)


def test_what_is_not_there_keeps_its_name(tmp_path):
  images = folder(tmp_path, 'a.jpg', '.b.jpg', '__MACOSX/._c.jpg', 'd.json')
  for name in ('b.jpg', 'c.jpg', 'd.jpg', 'x' * 400, 'a.jpg/b.jpg/c'):
    assert image_index.find(images, name) == name
  assert image_index.find(str(tmp_path / 'none'), 'a.jpg') == 'a.jpg'


def test_names_that_are_not_utf8_are_left_out(tmp_path):
  images = folder(tmp_path, 'a.jpg')
  pathlib.Path(images, 'b\udcff.jpg').write_bytes(b'')
  assert image_index.images_below(images) == ['a.jpg']
