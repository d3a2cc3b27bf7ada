"""VOC's layout, by indices and as CVAT exports it, semantic and instances."""

import numpy as np
import pytest
from PIL import Image

from tests.dataloaders.preparation.custom import drawn_labels
from tf_maskformer.configs.datasets import class_lists
from tf_maskformer.dataloaders.preparation.custom import voc
from tf_maskformer.dataloaders.preparation.custom.found import Request
from tf_maskformer.errors import UserError

BORDER = 3
COLORS = np.array([[0, 0, 0], [250, 50, 83], [51, 221, 255], [224, 224, 192]], np.uint8)
INDICES = np.array([0, 1, 2, 255], np.uint8)
LABEL_MAP = '# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:250,50,83::\ndog:51,221,255::'
NAMES = ('i0', 'i1', 'i2')


def with_palette(indices):
  image = Image.fromarray(indices.astype(np.uint8), 'L')
  image.putpalette(list(range(256)) * 3)
  return image


def objects_of(label):
  """Returns a number per class and half of the image; the last column of dogs has none."""
  right = np.arange(label.shape[1]) >= label.shape[1] // 2
  objects = np.where(np.isin(label, (1, 2)), label + 2 * right, 0)
  objects[:, -1][label[:, -1] == 2] = 0
  return objects


def write(root, has_colors, lists, label_map=''):
  """Writes the layout; returns the labels (indices into `COLORS`) by name."""
  labels = {name: drawn_labels.blocks([0, 1, 2, BORDER], i) for i, name in enumerate(NAMES)}
  for name, label in labels.items():
    drawn_labels.image(root / f'JPEGImages/{name}.jpg')
    objects = objects_of(label)
    if has_colors:
      seen = COLORS[label]
      shown = np.stack([40 * objects, 30 * objects, objects], -1).astype(np.uint8)
      shown[label == BORDER] = COLORS[BORDER]
    else:
      seen = with_palette(INDICES[label])
      shown = with_palette(np.where(label == BORDER, 255, objects))
    drawn_labels.save(root / f'SegmentationClass/{name}.png', seen)
    drawn_labels.save(root / f'SegmentationObject/{name}.png', shown)
  for name, lines in lists.items():
    path = root / f'ImageSets/Segmentation/{name}.txt'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines))
  if label_map:
    (root / 'labelmap.txt').write_text(label_map)
  return labels


def recognized(root, text='', **fields):
  classes = class_lists.read(text).classes
  return voc.recognize(Request(images='', annotations=str(root), classes=classes, **fields))


@pytest.mark.parametrize('has_colors', [False, True])
def test_semantic(tmp_path, has_colors):
  labels = write(
      tmp_path, has_colors, {'default': NAMES}, LABEL_MAP if has_colors else '')
  found = recognized(tmp_path, '' if has_colors else 'background,cat,dog')
  assert (found.task, list(found.splits)) == ('semantic', [''])
  assert drawn_labels.class_names(found) == ['background', 'cat', 'dog']
  truth = drawn_labels.records(found, tmp_path)
  for name, label in labels.items():
    wanted = np.where(label == BORDER, -1, label)
    np.testing.assert_array_equal(drawn_labels.classes(truth, name), wanted)
  rows = [' '.join(line.split()) for line in found.said]
  border = '[224, 224, 192]' if has_colors else '255'
  assert any(row.startswith(border) and ' void' in row for row in rows)


@pytest.mark.parametrize('has_colors', [False, True])
def test_instances(tmp_path, has_colors):
  labels = write(
      tmp_path, has_colors, {'default': NAMES}, LABEL_MAP if has_colors else '')
  found = recognized(
      tmp_path, '' if has_colors else 'background,cat,dog', task='instance')
  assert (found.task, drawn_labels.class_names(found)) == ('instance', ['cat', 'dog'])
  truth = drawn_labels.records(found, tmp_path)
  for name, label in labels.items():
    objects = objects_of(label)
    wanted = {}
    for value in (1, 2, 3, 4):
      wanted[((value - 1) % 2, False, (objects == value).tobytes())] = value
    if ((label == 2) & (objects == 0)).any():
      wanted[1, True, ((label == 2) & (objects == 0)).tobytes()] = 0
    instances = drawn_labels.instances(truth, name)
    assert {(c, crowd, mask.tobytes()) for c, crowd, mask in instances} == set(wanted)


def test_an_object_is_of_the_class_of_most_of_its_pixels(tmp_path):
  write(tmp_path, False, {})
  label = np.zeros(drawn_labels.SIZE, np.uint8)
  label[2:10, 2:10] = 1
  label[2:10, 10:13] = 2
  drawn_labels.save(tmp_path / 'SegmentationClass/i0.png', with_palette(label))
  drawn_labels.save(tmp_path / 'SegmentationObject/i0.png', with_palette(label > 0))
  found = recognized(tmp_path, 'background,cat,dog', task='instance')
  (class_id, _, mask), = drawn_labels.instances(drawn_labels.records(found, tmp_path), 'i0')
  assert class_id == 0
  np.testing.assert_array_equal(mask, label > 0)


def test_lists_are_splits(tmp_path):
  write(tmp_path, False, {'train': ['i0', 'i2', 'i9'], 'val': ['i1'], 'trainval': NAMES})
  found = recognized(tmp_path, 'background,cat,dog')
  assert sorted(found.splits) == ['train', 'val']
  assert drawn_labels.names(drawn_labels.records(found, tmp_path, 'train')) == ['i0', 'i2']
  assert drawn_labels.names(drawn_labels.records(found, tmp_path, 'val')) == ['i1']
  assert f'train: the images of {tmp_path}/ImageSets/Segmentation/train.txt; 1 of them have no ' \
      'label (i9)' in found.said


def test_indices_with_a_label_map(tmp_path):
  labels = write(tmp_path, False, {}, LABEL_MAP)
  for name, label in labels.items():
    drawn_labels.save(tmp_path / f'SegmentationClass/{name}.png', INDICES[label])
  found = recognized(tmp_path)
  assert drawn_labels.class_names(found) == ['background', 'cat', 'dog']
  truth = drawn_labels.records(found, tmp_path)
  np.testing.assert_array_equal(
      drawn_labels.classes(truth, 'i1'), np.where(labels['i1'] == BORDER, -1, labels['i1']))


def test_images_elsewhere(tmp_path):
  write(tmp_path / 'export', True, {}, LABEL_MAP)
  (tmp_path / 'export/JPEGImages').rename(tmp_path / 'photos')
  with pytest.raises(UserError, match="has VOC's layout, but no JPEGImages; give --images"):
    recognized(tmp_path / 'export')
  for annotations in ('export', 'export/SegmentationClass', 'export/'):
    found = voc.recognize(Request(f'{tmp_path}/photos', f'{tmp_path}/{annotations}'))
    assert drawn_labels.names(drawn_labels.records(found, tmp_path)) == list(NAMES)


def test_what_is_asked(tmp_path):
  write(tmp_path, False, {})
  assert voc.recognize(Request(f'{tmp_path}/JPEGImages', f'{tmp_path}/JPEGImages')) is None
  with pytest.raises(UserError, match='nothing says what they are; give --classes NAME_OF_0,'):
    recognized(tmp_path)
  with pytest.raises(UserError, match='which is not panoptic; give --task semantic or instance'):
    recognized(tmp_path, 'background,cat,dog', task='panoptic')
  for text, message in (('cat', r'labelmap.txt, line 1: not name:red,green,blue'),
                        ('cat:1,2,999::', 'line 1: not name'), ('# none', 'names no class')):
    (tmp_path / 'labelmap.txt').write_text(text)
    with pytest.raises(UserError, match=message):
      recognized(tmp_path)
  (tmp_path / 'SegmentationObject').rename(tmp_path / 'none')
  with pytest.raises(UserError, match='has no SegmentationObject, .* give --task semantic'):
    recognized(tmp_path, 'background,cat,dog', task='instance')
