"""Folders as people lay them out: where their images and annotations are."""

import pathlib

import pytest

from tf_maskformer.dataloaders.preparation.custom import layouts
from tf_maskformer.errors import UserError


def make(root: pathlib.Path, text: str) -> str:
  """Makes empty files, or folders where a name ends with /."""
  for name in text.split():
    path = root / name
    (path if name.endswith('/') else path.parent).mkdir(parents=True, exist_ok=True)
    if not name.endswith('/'):
      path.touch()
  return str(root)


def find(root, text):
  """Returns (images, annotations) of each lot, relative to the folder."""
  lots = [lot for lot in layouts.find(make(root, text)) if lot is not None]
  return [tuple(path and str(pathlib.Path(path).relative_to(root)) for path in lot) for lot in lots]


@pytest.mark.parametrize('text, expected', [
    ('images/a.jpg masks/a.png', [('images', 'masks')]),
    ('Images/a.jpg Labels/a.png readme.json', [('Images', 'Labels')]),
    ('JPEGImages/a.jpg annotations/a.json', [('JPEGImages', 'annotations/a.json')]),
    ('img/a.jpg annotations/a.json annotations/b.json', [('img', 'annotations')]),
    ('images/a.jpg labels.json readme.txt', [('images', 'labels.json')]),
    ('images/a.jpg train.json val.json', [('images', 'train.json'), ('images', 'val.json')]),
    ('images/train/a.jpg images/val/a.jpg x_train.json x_valid.json info.json',
     [('images/train', 'x_train.json'), ('images/val', 'x_valid.json')]),
    ('images/a.jpg train.json val.json test.json',
     [('images', 'train.json'), ('images', 'val.json')]),
    ('images/a.jpg train.json test.json', [('images', 'train.json'), ('images', 'test.json')]),
    ('img_dir/train/a.jpg img_dir/val/b.jpg ann_dir/train/a.png ann_dir/val/b.png',
     [('img_dir/train', 'ann_dir/train'), ('img_dir/val', 'ann_dir/val')]),
    ('images/training/a.jpg images/validation/b.jpg labels/training/a.png labels/validation/b.png',
     [('images/training', 'labels/training'), ('images/validation', 'labels/validation')]),
    ('images/train/a.jpg images/test/b.jpg masks/train/a.png masks/test/b.png masks/val/',
     [('images/train', 'masks/train'), ('images/test', 'masks/test')]),
    ('images/train/a.jpg images/val/b.jpg masks/training/a.png masks/validation/b.png',
     [('images/train', 'masks/training'), ('images/val', 'masks/validation')]),
    ('images/train/a.jpg images/val/b.jpg masks/a.png masks/b.png', [('images', 'masks')])])
def test_a_folder_of_images_and_what_is_next_to_it(tmp_path, text, expected):
  assert find(tmp_path, text) == expected


@pytest.mark.parametrize('text, expected', [
    ('train/images/a.jpg train/masks/a.png val/images/a.jpg val/masks/a.png',
     [('train/images', 'train/masks'), ('val/images', 'val/masks')]),
    ('train/a.jpg train/l.json val/a.jpg val/l.json', [('', 'train'), ('', 'val')]),
    ('train/a.jpg val/a.jpg train_masks/a.png val_masks/a.png',
     [('train', 'train_masks'), ('val', 'val_masks')]),
    ('train/a.jpg val/a.jpg trainannot/a.png valannot/a.png test/a.jpg',
     [('train', 'trainannot'), ('val', 'valannot')]),
    ('Train/a.jpg Val/a.jpg masks_train/a.png masks_val/a.png',
     [('Train', 'masks_train'), ('Val', 'masks_val')]),
    ('train/a.jpg test/a.jpg masks/train/a.png masks/test/a.png masks/val/',
     [('train', 'masks/train'), ('test', 'masks/test')]),
    ('train/a.jpg valid/a.jpg annotations/i_train.json annotations/i_val.json',
     [('train', 'annotations/i_train.json'), ('valid', 'annotations/i_val.json')]),
    ('train/a.jpg val/a.jpg train.json val.json', [('train', 'train.json'), ('val', 'val.json')]),
    ('train/a.jpg train/a_mask.png train/_classes.csv valid/b.jpg valid/b_mask.png README.txt',
     [('train', 'train'), ('valid', 'valid')])])
def test_a_folder_of_each_split(tmp_path, text, expected):
  assert find(tmp_path, text) == expected


@pytest.mark.parametrize('text', [
    'images/a.jpg labels/a.txt data.yaml', 'JPEGImages/a.jpg ImageSets/',
    'images/a.jpg result.json',
    'train/_annotations.coco.json valid/_annotations.coco.json images/a.jpg labels/',
    '_annotations.coco.json a.jpg', 'train2017/a.jpg val2017/a.jpg annotations/x.json',
    'a.jpg a.xml', 'a.jpg a.txt', 'notes.txt', ''])
def test_forms_that_say_where_their_images_are(tmp_path, text):
  assert find(tmp_path, text) == [('', '.')]


def test_images_and_label_images_in_one_folder(tmp_path):
  text = 'x/a.jpg x/a_mask.png y/b.JPG y/b_mask.PNG README.txt x/_classes.csv'
  assert find(tmp_path, text) == [('.', '.')]


DESCRIBED = 'classes: [a]\nsplits:\n'
LOT = '{images: i, annotations: a}'


def test_files(tmp_path):
  path = tmp_path / 'own.yaml'
  path.write_text(f'{DESCRIBED}  train: {{images: i, annotations: a}}\n'
                  '  val: {images: j, annotations: /b}\n')
  train, val = layouts.find(str(path))
  assert train == (f'{tmp_path}/i', f'{tmp_path}/a')
  assert val == (f'{tmp_path}/j', '/b')
  for name, text in (('data.yaml', 'names: [a]\n'), ('labels.json', '{}')):
    (tmp_path / name).write_text(text)
    assert layouts.find(str(tmp_path / name)) == (('', str(tmp_path / name)), None)


@pytest.mark.parametrize('text, message', [
    ('classes: [a]', 'own.yaml does not say where the data are; add "splits: {train: {images: '),
    (f'{DESCRIBED}  train: {LOT}\n', 'own.yaml: splits are train; they must be train and val'),
    (f'{DESCRIBED}  train: {LOT}\n  val: {LOT}\n  test: {LOT}\n',
     'splits are train, val, test; they must be train and val')])
def test_descriptions_that_are_not_enough(tmp_path, text, message):
  (tmp_path / 'own.yaml').write_text(text)
  with pytest.raises(UserError, match=message):
    layouts.find(str(tmp_path / 'own.yaml'))


def test_nothing_is_called_as_annotations_are(tmp_path):
  texts = (
      'images/a.jpg truth/a.png', 'images/a.jpg a.json b.json',
      'images/a.jpg a_train.json b_train.json val.json')
  for k, text in enumerate(texts):
    with pytest.raises(UserError, match='holds .*images.*, and nothing is called as annotations'):
      layouts.find(make(tmp_path / str(k), text))
  with pytest.raises(UserError, match='none does not exist; name a folder, or the YAML file'):
    layouts.find(str(tmp_path / 'none'))
