"""Cityscapes' outlines: what hides what, groups, holes and growth, worked by hand."""

import json
import sys

import numpy as np
import pytest
import tensorflow as tf
from cityscapesscripts.helpers import labels
from PIL import Image
from PIL import ImageDraw
from scipy import ndimage

from tests.dataloaders import cityscapes_test
from tests.dataloaders import official_polygons
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import cityscapes
from tf_maskformer.dataloaders.preparation import cityscapes_polygons
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import prepare_data

SIZE = 60, 90
PERSON, CAR = 24, 26  # ids of cityscapesscripts' labels


def box(label, left, top, right, bottom, **more):
  """An object with corners at the centers of these pixels, the last included."""
  corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
  return {'label': label, 'polygon': corners, **more}


OBJECTS = [  # each in front of those before it
    box('road', 0, 30, 89, 59),
    box('car', 5, 10, 34, 39), box('pole', 18, 0, 20, 59),     # cut in two
    box('car', 50, 10, 79, 39), box('person', 60, 20, 69, 29), # inside the car: no hole
    box('car', 2, 50, 6, 54), box('truck', 0, 48, 10, 58),     # hidden altogether
    box('persongroup', 20, 45, 39, 55), box('person', 35, 45, 44, 55),
    box('license plate', 48, 30, 53, 32), box('bus', 70, 45, 80, 55, deleted=1),
    box('trailer', 76, 10, 84, 39),
]


def write(root, split, objects, number=19, size=SIZE):
  """An image, its outlines, and the label image that Pillow draws of them, as Cityscapes' tools."""
  pixels = Image.new('I', size[::-1], 0)
  for k, item in enumerate(objects):
    label = labels.name2label[item['label'].removesuffix('group')]
    if 'deleted' not in item and label.id >= 0:
      single = label.hasInstances and not item['label'].endswith('group')
      ImageDraw.Draw(pixels).polygon(
          [tuple(p) for p in item['polygon']], fill=label.id * 1000 + k if single else label.id)
  cityscapes_test.draw(root, split, np.array(pixels), number)
  path = root / 'gtFine' / split / 'ulm' / f'ulm_000000_{number:06d}_gtFine_polygons.json'
  path.write_text(json.dumps({'imgHeight': size[0], 'imgWidth': size[1], 'objects': objects}))
  return np.array(pixels)


def instances_of(objects):
  pytest.importorskip('shapely')
  found = cityscapes_polygons.visible_instances(objects, 'cityscapes_instance', 'x.json')
  return {instance['id']: instance for instance in found}


def mask_of(instance):
  return instance_masks.rasterize(instance, SIZE, '')


def test_what_is_an_instance_and_what_is_seen_of_it():
  found = instances_of(OBJECTS)
  # The foremost first; no stuff, nothing hidden, no plate, nothing deleted, no trailer.
  assert [(i, row['category_id'], row['iscrowd']) for i, row in found.items()] == [
      (8, PERSON, 0), (7, PERSON, 1), (6, 27, 0), (4, PERSON, 0), (3, CAR, 0), (1, CAR, 0)]
  assert [len(row['segmentation']) for row in found.values()] == [1, 1, 1, 1, 1, 2]
  assert all(ring[:2] != ring[-2:] for row in found.values() for ring in row['segmentation'])


def test_outlines_grow_to_the_pixels_that_they_touch():
  mask = mask_of(instances_of([box('car', 5, 10, 34, 39)])[0])
  wanted = np.zeros(SIZE, bool)
  wanted[10:40, 5:35] = True
  np.testing.assert_array_equal(mask, wanted)
  area = instances_of([box('car', 5, 10, 34, 39)])[0]['area']
  # A square of 29 and its growth; the quarter circles at its corners have four segments each.
  assert area == pytest.approx(29**2 + 4 * 29 * 0.5 + 16 * 0.5**2 * np.sin(np.pi / 8) / 2)


def test_what_stands_in_front_cuts_but_leaves_no_hole():
  found = instances_of(OBJECTS)
  left_car, right_car = mask_of(found[1]), mask_of(found[3])
  assert left_car[20, 10] and not left_car[20, 19] and left_car[20, 30]  # the pole
  assert right_car[25, 65] and mask_of(found[4])[25, 65]                 # the person, on both
  assert not right_car[25, 78] and right_car[25, 74]                     # the trailer
  assert right_car[31, 52]                                               # no license plate
  group = mask_of(found[7])
  assert group[50, 30] and not group[50, 38]


@pytest.mark.parametrize('seed', range(3))
def test_against_the_pixels_of_cityscapes_own_tools(seed, tmp_path):
  rng, objects = np.random.default_rng(seed), []
  for _ in range(8):
    center = (rng.uniform(0, SIZE[1]), rng.uniform(0, SIZE[0]))
    blob = official_polygons.blob(rng, center, rng.uniform(8, 20))
    corners = np.round(np.reshape(blob, [-1, 2])).clip(0, [SIZE[1] - 1, SIZE[0] - 1])
    label = str(rng.choice(['car', 'building', 'person']))
    objects.append({'label': label, 'polygon': corners.astype(int).tolist()})
  pixels = write(tmp_path, 'train', objects)
  found = instances_of(objects)
  for value in np.unique(pixels[pixels >= 1000]):
    wanted = ndimage.binary_fill_holes(pixels == value)
    # The two rules of rasterization differ only along the border and at the tips of spikes.
    border = ndimage.binary_dilation(wanted) ^ ndimage.binary_erosion(wanted)
    differ = mask_of(found[int(value) % 1000]) ^ wanted
    assert not (differ & ~ndimage.binary_dilation(border, iterations=2)).any()
    assert differ.sum() < 0.3 * border.sum()


def test_the_classes_are_those_that_detectron2_takes():
  wanted = [label.id for label in labels.labels if label.hasInstances and not label.ignoreInEval]
  assert list(catalog.get('cityscapes_instance').contiguous_ids) == wanted


def test_records_train_on_polygons_and_score_pixels(tmp_path, capsys):
  pytest.importorskip('shapely')
  for split in ('train', 'val'):
    pixels = write(tmp_path, split, OBJECTS)
    crowded = [item for item in OBJECTS if item['label'] in ('road', 'persongroup')]
    write(tmp_path, split, crowded, 20)
  flags = ['cityscapes', f'--cityscapes_root={tmp_path}', '--data_set=cityscapes_instance',
           '--workers=1']
  prepare_data.main([*flags, f'--output={tmp_path}/records'])
  printed = capsys.readouterr().out
  assert 'train: 1 images' in printed and 'val: 2 images' in printed
  trained = f'{tmp_path}/records/train-00000-of-00002.tfrecord'
  record, = tf.data.TFRecordDataset(trained)
  example = decoder.decode(record, 'cityscapes_instance')
  np.testing.assert_array_equal(example['class'], [0, 0, 3, 0, 2, 2])
  np.testing.assert_array_equal(example['is_crowd'], [False, True, False, False, False, False])
  np.testing.assert_array_equal(example['polygons']['segment'], [0, 2, 3, 4, 5, 5])
  truth = ground_truth.GroundTruth(f'{tmp_path}/records/val*', 'cityscapes_instance')
  masks = [row['mask'] for i in truth.example_ids for row in truth.instances(i)]
  assert any((mask == (pixels == CAR * 1000 + 3)).all() for mask in masks)  # with its hole
  with pytest.raises(UserError, match='--targets pixels'):
    ground_truth.GroundTruth(f'{tmp_path}/records/train*', 'cityscapes_instance')
  prepare_data.main([*flags, f'--output={tmp_path}/records', '--targets=pixels'])
  record, = tf.data.TFRecordDataset(trained)
  assert not decoder.decode(record, 'cityscapes_instance')['polygons']['segment'].numpy().size


def test_flags():
  sources = cityscapes.splits('r', 'cityscapes_instance')
  assert sources['train'].label_suffix.endswith('polygons.json')
  assert sources['val'].label_suffix.endswith('Ids.png')
  for data_set, targets in (
      ('cityscapes', None), ('cityscapes', 'pixels'), ('cityscapes_instance', 'pixels')):
    for source in cityscapes.splits('r', data_set, targets).values():
      assert source.label_suffix == '_gtFine_instanceIds.png'
  with pytest.raises(UserError, match='data set cityscapes has stuff'):
    cityscapes.splits('r', 'cityscapes', 'polygons')
  with pytest.raises(UserError, match='--targets has no effect on coco_instances'):
    prepare_data.main(['coco_instances', '--coco_root=x', '--output=y', '--targets=polygons'])


def test_without_shapely_a_line_says_what_to_install(tmp_path, monkeypatch):
  write(tmp_path, 'train', OBJECTS)
  monkeypatch.setitem(sys.modules, 'shapely', None)
  monkeypatch.setitem(sys.modules, 'shapely.geometry', None)
  with pytest.raises(UserError, match='pip install shapely, or give --targets pixels'):
    prepare_data.main(['cityscapes', f'--cityscapes_root={tmp_path}',
                       '--data_set=cityscapes_instance', f'--output={tmp_path}/records'])
  assert not (tmp_path / 'records').exists()


@pytest.mark.parametrize('change, words', [
    (lambda c: c['objects'].append(box('spaceship', 1, 1, 5, 5)), "label 'spaceship'"),
    (lambda c: c['objects'].append({'label': 'car', 'polygon': [[1, 1], [2, 2]]}),
     'object 12 has no outline'),
    (lambda c: c.update(imgWidth=91), 'says 60x91'),
    (lambda c: c.pop('objects'), "not in the form of Cityscapes' polygons")])
def test_what_is_refused(tmp_path, change, words):
  pytest.importorskip('shapely')
  write(tmp_path, 'train', OBJECTS)
  path, = (tmp_path / 'gtFine').rglob('*.json')
  content = json.loads(path.read_text())
  change(content)
  path.write_text(json.dumps(content))
  source = cityscapes.splits(str(tmp_path), 'cityscapes_instance')['train']
  row, = source.rows()
  with pytest.raises(UnusableImage, match=words):
    source.convert_image(row)
