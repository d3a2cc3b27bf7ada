"""Images and annotations are found by the names that people give their folders."""

import pytest

from tf_maskformer.dataloaders.preparation.custom import layouts
from tf_maskformer.errors import UserError


def make(root, *paths):
  """Makes empty files."""
  for path in paths:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


def found(root):
  """Returns the lots with paths relative to the folder; '.' is the folder itself."""
  def relative(path):
    return path and (path.removeprefix(str(root)).strip('/') or '.')
  return tuple(lot and tuple(map(relative, lot)) for lot in layouts.find(str(root)))


@pytest.mark.parametrize('paths, first, second', [
    (['images/a.jpg', 'labels.json'], ('images', 'labels.json'), None),
    (['images/a.jpg', 'Masks/a.png'], ('images', 'Masks'), None),
    (['images/a.jpg', 'train.json', 'val.json'], ('images', 'train.json'), ('images', 'val.json')),
    (['images/train/a.jpg', 'images/val/b.jpg', 'masks/train/a.png', 'masks/val/b.png'],
     ('images/train', 'masks/train'), ('images/val', 'masks/val')),
    (['img_dir/train/a.jpg', 'img_dir/val/b.jpg', 'ann_dir/train/a.png', 'ann_dir/val/b.png'],
     ('img_dir/train', 'ann_dir/train'), ('img_dir/val', 'ann_dir/val')),
    (['JPEGImages/a.jpg', 'SegmentationClass/a.png'], ('JPEGImages', 'SegmentationClass'), None),
    (['train/images/a.jpg', 'train/masks/a.png', 'val/images/b.jpg', 'val/masks/b.png'],
     ('train/images', 'train/masks'), ('val/images', 'val/masks')),
    (['train/a.jpg', 'train_masks/a.png'], ('train', 'train_masks'), None),
    (['train/a.jpg', 'trainannot/a.png', 'val/b.jpg', 'valannot/b.png', 'test/c.jpg'],
     ('train', 'trainannot'), ('val', 'valannot')),
    (['train/a.jpg', 'val/b.jpg', 'labels/train/a.png', 'labels/val/b.png'],
     ('train', 'labels/train'), ('val', 'labels/val')),
    (['train/a.jpg', 'val/b.jpg', 'annotations/a_train.json', 'annotations/a_val.json',
      'annotations/a_train/a.png', 'annotations/a_val/b.png'],
     ('train', 'annotations/a_train.json'), ('val', 'annotations/a_val.json')),
    (['train/a.jpg', 'train/a.json', 'val/b.jpg', 'val/b.json'], ('', 'train'), ('', 'val')),
    (['train/a.jpg', 'train/a_mask.png', 'val/b.jpg', 'val/b_mask.png'],
     ('train', 'train'), ('val', 'val')),
    (['train/images/a.jpg', 'train/masks/a.png'], ('train/images', 'train/masks'), None),
    (['train/images/a.jpg', 'train/x.json'], ('train/images', 'train/x.json'), None),
    (['a.jpg', 'a_mask.png'], ('.', '.'), None),
    (['data.yaml', 'images/a.jpg', 'labels/a.txt'], ('', '.'), None)])
def test_usual_names(tmp_path, paths, first, second):
  make(tmp_path, *paths)
  assert found(tmp_path) == (first, second)


def test_data_yaml_by_any_name(tmp_path):
  make(tmp_path, 'train/images/a.jpg', 'train/labels/a.txt', 'other.yaml')
  assert found(tmp_path) == (('train/images', 'train/labels'), None)
  (tmp_path / 'other.yaml').write_text('train: train/images\nnames: [cat]')
  assert found(tmp_path) == (('', '.'), None)


@pytest.mark.parametrize('paths, words', [
    (['images/a.jpg', 'masks/a.png', 'labels/a.png'], 'labels and .*masks may be'),
    (['train/a.jpg', 'train_masks/a.png', 'train_labels/a.png'], 'train_labels and .*train_masks'),
    (['images/a.jpg', 'other/a.png'], 'holds images, other, and nothing is called')])
def test_two_that_may_be_meant_and_none_are_asked_for(tmp_path, paths, words):
  make(tmp_path, *paths)
  with pytest.raises(UserError, match=words):
    layouts.find(str(tmp_path))
