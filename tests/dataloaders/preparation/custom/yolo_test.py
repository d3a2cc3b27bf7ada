"""YOLO's polygons: every pixel, wherever data.yaml says that the images are; boxes are refused."""

import codecs

import numpy as np
import pytest

from tests.dataloaders.preparation.custom import drawn
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation.custom import yolo
from tf_maskformer.errors import UserError

NAMES = 'names: [cat, dog]'


def line(number, name):
  height, width = drawn.SIZE
  shares = np.array(drawn.polygon(name)).reshape(-1, 2) / (width, height)
  return ' '.join([str(number), *map(repr, shares.ravel().tolist())])


def write_label(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text)


def write(root, images='{}/images', labels='{}/labels', yaml=NAMES, **places):
  """Writes training and validation images, a cat and a dog in each, and data.yaml."""
  for split in ('train', 'val'):
    drawn.image(root / images.format(split) / f'{split}1.jpg')
    write_label(root / labels.format(split) / f'{split}1.txt',
                f'{line(0, "cat")}\n\n{line(1, "dog")}\n')
  places = places or {split: images.format(split) for split in ('train', 'val')}
  text = ''.join(f'{key}: {value}\n' for key, value in places.items())
  (root / 'data.yaml').write_text(f'{text}{yaml}\n')
  return str(root / 'data.yaml')


def require_both(output):
  for split in ('train', 'val'):
    (found,) = drawn.objects(output, split).values()
    drawn.require_drawn(found, 'cat', 'dog')


@pytest.mark.parametrize('layout', [
    {}, {'images': 'images/{}', 'labels': 'labels/{}'},
    {'train': '../train/images', 'val': '../val/images'},
    {'train': './train/images/', 'val': 'val\\images'},
    {'train': '/content/somebody/set/train/images', 'val': '/content/somebody/set/val/images'},
    {'path': '.', 'train': 'train/images', 'val': 'val/images', 'test': 'none/images'},
    {'path': '../datasets/mine', 'train': 'train/images', 'valid': 'val/images'},
    {'train': '[train/images]', 'validation': 'val/images'},
    {'images': '{}', 'labels': '{}'},
    {'yaml': 'names: {0: cat, 1: dog}\nnc: 2'}, {'yaml': 'names:\n- cat\n- dog\ntask: segment'}])
def test_the_layouts(tmp_path, layout):
  path = write(tmp_path / 'set', **layout)
  drawn.prepare(tmp_path / 'out', f'--annotations={path}')
  require_both(tmp_path / 'out')
  data_set = catalog.get(f'{tmp_path}/out/data_set.yaml')
  assert [(c.id, c.name) for c in data_set.classes] == [(0, 'cat'), (1, 'dog')]


def test_absolute_paths_lists_and_a_folder(tmp_path):
  root = tmp_path / 'set'
  write(root, train=root / 'train/images', val=root / 'val/images')
  drawn.prepare(tmp_path / 'a', f'--annotations={root}')
  require_both(tmp_path / 'a')
  for split in ('train', 'val'):
    (root / f'{split}.txt').write_text(f'./{split}/images/{split}1.jpg\n')
  write(root, train='train.txt', val='val.txt')
  drawn.prepare(tmp_path / 'b', f'--images={root}')
  require_both(tmp_path / 'b')


def test_labels_without_data_yaml(tmp_path):
  root = tmp_path / 'set'
  for k in range(4):
    drawn.image(root / f'images/{k}.jpg')
    write_label(root / f'labels/{k}.txt', f'{line(1, "dog")}\n{line(0.0, "cat")}')
  flags = f'--annotations={root}', '--split=0.5'
  with pytest.raises(UserError, match='nothing names the classes .* give data.yaml'):
    drawn.prepare(tmp_path / 'out', *flags)
  drawn.prepare(tmp_path / 'out', *flags, '--classes=cat,dog')
  for split in ('train', 'val'):
    for found in drawn.objects(tmp_path / 'out', split).values():
      drawn.require_drawn(found, 'cat', 'dog')
  (root / 'classes.txt').write_bytes(codecs.BOM_UTF8 + '고양이\r\ndog\r\n'.encode())
  drawn.prepare(tmp_path / 'named', *flags)
  data_set = catalog.get(f'{tmp_path}/named/data_set.yaml')
  assert [c.name for c in data_set.classes] == ['고양이', 'dog']


def test_images_without_objects_are_kept_and_counted(tmp_path, capsys):
  root = tmp_path / 'set'
  path = write(root)
  drawn.image(root / 'train/images/missing.jpg')
  drawn.image(root / 'train/images/empty.jpg')
  write_label(root / 'train/labels/empty.txt', ' \n')
  drawn.prepare(tmp_path / 'out', f'--annotations={path}')
  assert '1 have an empty label and 1 none: they are kept, with nothing' in capsys.readouterr().out
  found = drawn.objects(tmp_path / 'out', 'train')
  assert found['missing'] == [] and found['empty'] == [] and len(found['train1']) == 2


def test_training_and_validation_that_are_the_same_images(tmp_path, capsys):
  root = tmp_path / 'set'
  path = write(root, train='train/images', val='train/images')
  drawn.image(root / 'train/images/other.jpg')
  label = (root / 'train/labels/train1.txt').read_text()
  write_label(root / 'train/labels/other.txt', label)
  with pytest.raises(UserError, match='give --split'):
    drawn.prepare(tmp_path / 'out', f'--annotations={path}')
  drawn.prepare(tmp_path / 'out', f'--annotations={path}', '--split=0.5')
  assert 'some are the same images' in capsys.readouterr().out


def test_merged_and_left_out(tmp_path):
  path = write(tmp_path / 'set')
  drawn.prepare(tmp_path / 'less', f'--annotations={path}', '--ignore=cat')
  (found,) = drawn.objects(tmp_path / 'less', 'val').values()
  drawn.require_drawn(found, 'dog')
  classes = tmp_path / 'classes.yaml'
  classes.write_text('classes: [{name: animal, aliases: [cat, dog]}]')
  drawn.prepare(tmp_path / 'merged', f'--annotations={path}', f'--classes={classes}')
  (found,) = drawn.objects(tmp_path / 'merged', 'val').values()
  assert [name for name, _ in found] == ['animal', 'animal']


BOXES = '0 0.5 0.5 0.2 0.2\n'


@pytest.mark.parametrize('layout, label, words', [
    ({}, line(2, 'cat'), 'train1.txt has the class 2, but .*data.yaml names 2 classes, 0 to 1'),
    ({'yaml': 'names: [cat]'}, None, 'val1.txt has the class 1|train1.txt has the class 1'),
    ({'yaml': 'names: [cat, dog]\nnc: 3'}, None, 'nc is 3, but names are 2'),
    ({'yaml': 'names: 7'}, None, 'names are not a list of names'),
    ({'yaml': 'names: [cat, ""]'}, None, 'has an empty name'),
    ({'train': 'nowhere', 'val': 'val/images'}, None, 'train is nowhere, which is neither there')])
def test_what_stops(tmp_path, layout, label, words):
  path = write(tmp_path / 'set', **layout)
  if label:
    write_label(tmp_path / 'set/train/labels/train1.txt', label)
  with pytest.raises(UserError, match=words):
    drawn.prepare(tmp_path / 'out', f'--annotations={path}')


@pytest.mark.parametrize('text, words', [
    ('train: [train/images', 'data.yaml is not YAML: while parsing'),
    ('train: train/images', 'data.yaml names no classes; add')])
def test_a_data_yaml_that_says_too_little(tmp_path, text, words):
  write(tmp_path / 'set')
  (tmp_path / 'set/data.yaml').write_text(text)
  with pytest.raises(UserError, match=words):
    drawn.prepare(tmp_path / 'out', f'--data={tmp_path}/set')


def test_boxes_are_not_masks(tmp_path, capsys):
  path = write(tmp_path / 'set')
  write_label(tmp_path / 'set/train/labels/mixed.txt', BOXES + line(0, 'cat'))
  drawn.image(tmp_path / 'set/train/images/mixed.jpg')
  drawn.prepare(tmp_path / 'out', f'--annotations={path}')
  printed = capsys.readouterr().out
  assert '1 of 6 lines are boxes' in printed and 'boxes are not masks' in printed
  assert set(drawn.objects(tmp_path / 'out', 'train')) == {'train1'}
  for split in ('train', 'val'):
    write_label(tmp_path / f'set/{split}/labels/{split}1.txt', BOXES)
  write_label(tmp_path / 'set/train/labels/mixed.txt', BOXES)
  with pytest.raises(UserError, match='are 3 boxes .* and no polygon; boxes are not masks'):
    drawn.prepare(tmp_path / 'x', f'--annotations={path}')


def test_labels_that_are_not_text_refuse_their_image(tmp_path, capsys):
  path = write(tmp_path / 'set')
  drawn.image(tmp_path / 'set/train/images/x.jpg')
  (tmp_path / 'set/train/labels/x.txt').write_bytes(b'\xff\x00')
  drawn.prepare(tmp_path / 'out', f'--annotations={path}')
  assert set(drawn.objects(tmp_path / 'out', 'train')) == {'train1'}
  printed = capsys.readouterr().out
  assert '1 labels are damaged' in printed and 'x.txt is not text in UTF-8' in printed


def test_no_labels_at_all(tmp_path):
  path = write(tmp_path / 'set', labels='elsewhere/{}')
  with pytest.raises(UserError, match='none of the 1 images of .* has a label'):
    drawn.prepare(tmp_path / 'out', f'--annotations={path}')


@pytest.mark.parametrize('text, words', [
    ('0 0.1 0.1 0.2', 'line 1: 4 numbers are not'), ('0 .1 .1 .2 .2 .3 .3 .9', 'line 1: 8 numbers'),
    ('\n0 a b c d e f', 'line 2: it is not numbers'), ('0.5 .1 .1 .2 .2 .3 .3', '0.5 is not the'),
    ('-1 .1 .1 .2 .2 .3 .3', '-1 is not the'), ('0 10 10 20 20 30 5', '10.0 is not a share'),
    ('0 nan .1 .2 .2 .3 .3', 'nan is not a share'), ('nan .1 .1 .2 .2 .3 .3', 'nan is not the')])
def test_lines_that_are_not_polygons(tmp_path, text, words):
  (tmp_path / 'x.txt').write_text(text)
  with pytest.raises(UnusableImage, match=words):
    yolo.read_label(str(tmp_path / 'x.txt'))


def test_corners_a_little_outside_are_moved_to_the_edge(tmp_path):
  (tmp_path / 'x.txt').write_text('3 -0.01 0.5 1.02 0.5 0.5 1')
  assert yolo.read_label(str(tmp_path / 'x.txt')) == ([(3, [0.0, 0.5, 1.0, 0.5, 0.5, 1.0])], 2)
