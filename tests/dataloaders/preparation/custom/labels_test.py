"""Folders of label images: exact classes, everything that is asked, everything that is said."""

import dataclasses
import re

import numpy as np
import pytest
from PIL import Image

from tests.dataloaders.preparation.custom import drawn_labels
from tf_maskformer.configs.datasets import class_lists
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.dataloaders.preparation.custom import label_scan
from tf_maskformer.dataloaders.preparation.custom import labels
from tf_maskformer.errors import UserError

COLORS = np.array([[0, 0, 0], [128, 64, 128], [0, 0, 142]], np.uint8)


def names(text):
  return class_lists.read(text).classes


def of(*values, dtype=np.uint8, count=3):
  return [drawn_labels.blocks(values, seed).astype(dtype) for seed in range(count)]


def recognized(root, label_arrays, suffix='.png', **fields):
  drawn_labels.pairs(root, label_arrays, suffix)
  return labels.recognize(drawn_labels.request(root, **fields))


def assert_classes(root, found, label_arrays, class_of):
  """Checks all pixels; `class_of` is from value to class."""
  truth = drawn_labels.records(found, root)
  assert drawn_labels.names(truth) == [f'a{i}' for i in range(len(label_arrays))]
  for i, label in enumerate(label_arrays):
    wanted = np.vectorize(class_of.get)(label)
    np.testing.assert_array_equal(drawn_labels.classes(truth, f'a{i}'), wanted)


@pytest.mark.parametrize('suffix, dtype', [
    ('.png', np.uint8), ('.png', np.uint16), ('.tif', np.int32), ('.bmp', np.uint8)])
def test_names_in_the_order_of_values(tmp_path, suffix, dtype):
  label_arrays = of(0, 1, 2, 255, dtype=dtype)
  found = recognized(tmp_path, label_arrays, suffix, classes=names('background, cat,dog'))
  assert (found.task, drawn_labels.class_names(found)) == ('semantic', ['background', 'cat', 'dog'])
  assert not found.data_set.thing_classes
  assert_classes(tmp_path, found, label_arrays, {0: 0, 1: 1, 2: 2, 255: -1})
  row = [line.split() for line in found.said if line.split()[:1] == ['255']]
  share = np.mean([label == 255 for label in label_arrays])
  assert row[0][:3] == ['255', f'{share:.1%}', '3']
  assert ' '.join(row[0][3:]) == 'void, since every other value is a class'


def test_names_skip_void_values(tmp_path):
  label_arrays = of(0, 1, 2)
  found = recognized(tmp_path, label_arrays, classes=names('cat,dog'), void=(0,))
  assert_classes(tmp_path, found, label_arrays, {0: -1, 1: 0, 2: 1})


def test_ids_labels_and_merged_classes(tmp_path):
  (tmp_path / 'c.yaml').write_text(
      'classes: [{id: 7, name: road}, {id: 9, name: car, labels: [11, 12]}, {id: 30, name: cow}]')
  label_arrays = of(7, 11, 12, 0)
  given = class_lists.read(f'{tmp_path}/c.yaml')
  found = recognized(tmp_path, label_arrays, classes=given.classes, void=(0,))
  assert_classes(tmp_path, found, label_arrays, {7: 0, 11: 1, 12: 1, 0: -1})
  assert 'remark: 1 classes have no pixel: cow' in found.said


def test_built_in_classes_keep_their_rule(tmp_path):
  label_arrays = of(0, 1, 150)
  given = class_lists.read('ade20k')
  found = recognized(tmp_path, label_arrays, classes=given.classes, void=given.void)
  assert_classes(tmp_path, found, label_arrays, {0: -1, 1: 0, 150: 149})


def test_ignored_classes_are_void(tmp_path):
  label_arrays = of(0, 1, 2)
  found = recognized(
      tmp_path, label_arrays, classes=names('sky,cat,dog'), ignored=('Cat', 'cow'))
  assert any("nothing is called 'cow'" in line for line in found.said)
  assert not any("'Cat'" in line for line in found.said)
  assert_classes(tmp_path, found, label_arrays, {0: 0, 1: -1, 2: 1})


@pytest.mark.parametrize('value', [1, 255, 17])
def test_binary(tmp_path, value):
  label_arrays = of(0, value)
  found = recognized(tmp_path, label_arrays, binary='cell')
  assert drawn_labels.class_names(found) == ['background', 'cell']
  assert_classes(tmp_path, found, label_arrays, {0: 0, value: 1})


def test_binary_with_void(tmp_path):
  label_arrays = of(0, 1, 255)
  with pytest.raises(UserError, match='0 and one other value, .*; if 255 is unlabeled, add --void'):
    recognized(tmp_path, label_arrays, binary='cell')
  found = recognized(tmp_path, label_arrays, binary='cell', void=(255,))
  assert_classes(tmp_path, found, label_arrays, {0: 0, 1: 1, 255: -1})


@pytest.mark.parametrize('make', [
    lambda label: COLORS[label],
    lambda label: np.dstack([COLORS[label], np.full(label.shape, 255, np.uint8)])])
@pytest.mark.parametrize('text', [
    'label_form: colors\nclasses: [{name: sky, labels: [[0, 0, 0]]}, '
    '{name: road, labels: [[128, 64, 128], [0, 0, 142]]}]',
    'classes: [{name: sky, color: [0, 0, 0]}, {name: road, color: [128, 64, 128]}]\n'
    'void_labels: [[0, 0, 142]]'])
def test_colors(tmp_path, make, text):
  (tmp_path / 'c.yaml').write_text(text)
  given = class_lists.read(f'{tmp_path}/c.yaml')
  label_arrays = of(0, 1, 2)
  found = recognized(
      tmp_path, [make(label) for label in label_arrays], classes=given.classes, void=given.void,
      label_form=given.label_form)
  assert found.data_set.label_form == 'colors'
  last = 1 if 'label_form' in text else -1
  assert_classes(tmp_path, found, label_arrays, {0: 0, 1: 1, 2: last})


def test_a_palette_may_be_meant_by_its_colors(tmp_path):
  images = []
  for label in of(0, 1, 2):
    image = Image.fromarray(2 - label, 'L')
    image.putpalette(COLORS[::-1].ravel().tolist())
    images.append(image)
  classes = tuple(
      dataclasses.replace(c, color=tuple(color.tolist()))
      for c, color in zip(names('sky,road,car'), COLORS))
  found = recognized(tmp_path, images, classes=classes, label_form='colors')
  assert_classes(tmp_path, found, of(0, 1, 2), {0: 0, 1: 1, 2: 2})
  found = recognized(tmp_path, images, classes=classes)
  assert_classes(tmp_path, found, of(0, 1, 2), {0: 2, 1: 1, 2: 0})


def smooth(label):
  return np.asarray(Image.fromarray(label).resize((77, 61), Image.Resampling.BILINEAR))


@pytest.mark.parametrize('label_arrays, fields, message', [
    (of(0, 255), {}, r'hold .*255 \(.*%\).*; if 0 is background and 255 a class, give --binary'),
    (of(0, 1), {}, 'give --binary NAME; if both are classes, --classes NAME_OF_0,NAME_OF_1'),
    (of(0, 1, 2, 255), {}, 'give --classes NAME_OF_0,NAME_OF_1,NAME_OF_2, and --void 255 if 255'),
    (of(7, 8, 40), {}, r'classes: \[{id: 7, name: ...}, {id: 8, name: ...}, {id: 40, name: ...}\]'),
    (of(255), {}, 'a single value teaches nothing'),
    (of(*range(60), count=1), {}, 'a file with a name per line for 0 to 59'),
    ([np.arange(720, dtype=np.uint16).reshape(24, 30)], {}, 'so many are not classes: .*--task in'),
    (of(0, 1, 2), {'classes': 'cat,dog'},
     'a value is neither class nor void: 2 .* in a0.png for one; there are 2 names for 3 values'),
    (of(1, 2), {'classes': 'cat,dog'}, 'counted from 0, the values from 1: add --void 0'),
    (of(0, 1, 77, 255), {'classes': 'cat,dog'}, 'give a class for it, or --void 77 255'),
    (of(0, 1, 2), {'classes': 'background,cat,dog', 'void': (0,)},
     '--void 0 says .* but --classes begins with background'),
    (of(0, 1), {'classes': 'cat,dog', 'ignored': ('cat', 'dog')}, '--ignore leaves no class'),
    (of(0), {'binary': 'cell'}, 'is 0; there is no cell'),
    (of(0, 1, 2), {'binary': 'cell'}, '0 and one other value, but the labels in .* hold'),
    (of(0, 1), {'binary': 'Background'}, '--binary names the class that is not background'),
    ([COLORS[label] for label in of(0, 1, 2)], {},
     r'label_form: colors and classes: \[{name: ..., labels: \[\[[0-9, ]+\]\]}'),
    ([COLORS[label] for label in of(0, 1, 2)], {'classes': 'a,b,c'}, 'are neither class nor void'),
    ([smooth(255 * label) for label in of(0, 1)], {}, 'come from smoothed edges'),
    ([smooth(COLORS[label]) for label in of(0, 1, 2)], {}, 'come from smoothed edges'),
    (of(0, 1)[0].astype(np.float32)[None], {'suffix': '.tif'}, 'none of the 1 labels can be read'),
    (of(0, 1), {'suffix': '.jpg'}, 'the first: .*a0.jpg is a JPEG file, whose compression')])
def test_what_is_asked(tmp_path, label_arrays, fields, message):
  fields = dict(fields)
  suffix = fields.pop('suffix', '.png')
  if 'classes' in fields:
    fields['classes'] = names(fields['classes'])
  with pytest.raises(UserError) as e:
    recognized(tmp_path, list(label_arrays), suffix, **fields)
  assert re.search(message, str(e.value)), str(e.value)


def test_a_class_may_have_the_usual_void_value(tmp_path):
  (tmp_path / 'c.yaml').write_text(
      'classes: [{name: sky, labels: [0]}, {name: cell, labels: [255]}]')
  given = class_lists.read(f'{tmp_path}/c.yaml')
  label_arrays = of(0, 255)
  found = recognized(tmp_path, label_arrays, classes=given.classes, void=given.void)
  assert_classes(tmp_path, found, label_arrays, {0: 0, 255: 1})
  with pytest.raises(UserError, match='7 is the label of class .*cell.* and void; correct --void'):
    classes = (dataclasses.replace(given.classes[1], labels=(7,)),)
    recognized(tmp_path, label_arrays, classes=classes, void=(7,))


def test_remarks(tmp_path):
  mostly = [np.where(label == 2, 1, 0).astype(np.uint8) for label in of(0, 1, 2, 3)]
  found = recognized(tmp_path, mostly, classes=names('cat,dog'))
  assert any('cat is value 0' in line and '--void 0' in line for line in found.said)
  void = [np.where(label == 2, 1, 255).astype(np.uint8) for label in of(0, 1, 2, 3)]
  void.append(np.full(drawn_labels.SIZE, 255, np.uint8))
  found = recognized(tmp_path, void, classes=names('cat,dog'))
  remarks = [line for line in found.said if line.startswith('remark')]
  assert re.search('of the pixels are void', remarks[0])
  assert remarks[1:] == ['remark: 1 of 4 labels hold nothing but void',
                         'remark: 1 classes have no pixel: cat']


def test_labels_that_cannot_be_read_are_said(tmp_path):
  drawn_labels.pairs(tmp_path, of(0, 1))
  (tmp_path / 'masks/a1.png').write_bytes(b'none')
  found = labels.recognize(drawn_labels.request(tmp_path, classes=names('cat,dog')))
  assert any(
      re.search('remark: 1 labels cannot be read, a1.png for one: .*unknown image format', line)
      for line in found.said)


def test_folders_are_splits(tmp_path):
  for split, name in (('train', 'a'), ('val', 'b'), ('test', 'c')):
    drawn_labels.image(tmp_path / 'images' / split / f'{name}.jpg')
    drawn_labels.save(tmp_path / 'masks' / split / f'{name}.png', of(0, 1)[0])
  found = labels.recognize(drawn_labels.request(tmp_path, classes=names('cat,dog')))
  assert sorted(found.splits) == ['test', 'train', 'val']
  assert drawn_labels.names(drawn_labels.records(found, tmp_path, 'val')) == ['val/b']


def test_what_is_another_form(tmp_path):
  drawn_labels.pairs(tmp_path, of(0, 1))
  assert labels.recognize(drawn_labels.request(tmp_path, task='instance')) is None
  (tmp_path / 'empty').mkdir()
  (tmp_path / 'a.json').write_text('{}')
  for annotations in ('empty', 'a.json'):
    request = drawn_labels.request(tmp_path, annotations=f'{tmp_path}/{annotations}')
    assert labels.recognize(request) is None


def test_images_and_labels_are_in_folders_of_the_only_one_that_is_given(tmp_path):
  images = of(0, 1)
  drawn_labels.pairs(tmp_path, images)
  fields = {'images': '', 'annotations': str(tmp_path), 'classes': names('cat,dog')}
  found = labels.recognize(drawn_labels.request(tmp_path, **fields))
  truth = drawn_labels.records(found, tmp_path)
  assert len(drawn_labels.names(truth)) == len(images)
  with pytest.raises(UserError, match='a.json is not a directory'):
    labels.recognize(drawn_labels.request(tmp_path, images=f'{tmp_path}/a.json'))


@pytest.mark.parametrize('workers', [1, 2])
def test_scan(tmp_path, workers, monkeypatch):
  monkeypatch.setattr(label_scan, '_PER_JOB', 2)
  values = of(0, 3, count=20) + [np.full(drawn_labels.SIZE, 3, np.uint8)]
  drawn_labels.pairs(tmp_path, values)
  found = label_scan.scan(
      f'{tmp_path}/masks', [f'a{i}.png' for i in range(21)], 'values', workers=workers)
  pixels = np.concatenate([label.ravel() for label in values])
  assert found.labels == 21 and found.pixels == pixels.size
  three = found.values[3]
  assert (three.pixels, three.images, three.alone) == ((pixels == 3).sum(), 21, 1)
  assert found.values[0].images == 20 and found.values[0].example == 'a0.png'


def test_scan_is_bounded(tmp_path, monkeypatch):
  monkeypatch.setattr(label_scan, 'MOST_VALUES', 10)
  drawn_labels.pairs(tmp_path, [np.arange(720, dtype=np.uint16).reshape(24, 30)])
  found = label_scan.scan(f'{tmp_path}/masks', ['a0.png'], 'values')
  assert len(found.values) == 10 and found.uncounted == 710


def test_the_descriptor_is_written_and_read(tmp_path):
  found = recognized(tmp_path, of(0, 5), binary='cell')
  assert [c.labels for c in found.data_set.classes] == [(0,), (5,)]
  assert found.data_set.label_rule in descriptor.LABEL_RULES
