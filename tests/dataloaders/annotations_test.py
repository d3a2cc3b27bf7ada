"""Annotation files: the file's faults are errors, an image's faults refuse that image alone."""

import json
import math

import pytest

from tests.dataloaders import small_coco
from tf_maskformer.dataloaders import annotations
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import coco_instances
from tf_maskformer.dataloaders.preparation import coco_panoptic
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError

INSTANCES = 'annotations/instances_val2017.json'
PANOPTIC = 'annotations/panoptic_val2017.json'


@pytest.fixture(name='root')
def draw(tmp_path):
  return small_coco.write(tmp_path / 'coco')


def rewritten(root, name, change):
  path = root / name
  content = json.loads(path.read_text())
  change(content)
  path.write_text(json.dumps(content))


@pytest.mark.parametrize('name', [INSTANCES, PANOPTIC])
@pytest.mark.parametrize('data, words', [
    (b'', 'is empty'), (b'[' * 100000, 'nested too deeply'), (b'[]', 'not an object'),
    (b'{}', "'images' is missing"), (b'{"images": [], "annotations": {}}', "'annotations'"),
    (b'\x89PNG\r\n\x1a\n\0\0', 'not text')])
def test_the_files_faults(root, name, data, words):
  (root / name).write_bytes(data)
  read = annotations.read_instances if name == INSTANCES else annotations.read_panoptic
  with pytest.raises(UserError, match=words) as error:
    read(str(root / name), 'coco_panoptic')
  assert str(root / name) in str(error.value) and str(error.value).isprintable()


def test_categories(root):
  for categories, words in (
      (None, "'categories' is missing"), ([{'id': 1}, {'id': 1}], 'two categories have the id 1'),
      ([{'id': 'a'}], 'not a whole number'), ([7], 'not a whole number'),
      ([{'id': True}], 'not a whole number'), ([{'id': 2**70}], 'not a whole number')):
    rewritten(root, PANOPTIC, lambda c, new=categories: c.update(categories=new))
    with pytest.raises(UserError, match=words):
      annotations.read_panoptic(str(root / PANOPTIC), 'coco_panoptic')


FIRST = f'{small_coco.IMAGE_IDS[0]:012d}.jpg'


def segment(content):
  return content['annotations'][0]['segments_info'][0]


@pytest.mark.parametrize('change, words', [
    (lambda c: segment(c).pop('id'), 'a segment has the id None'),
    (lambda c: segment(c).update(id='7'), 'has ids that are not in the JSON'),
    (lambda c: segment(c).update(id=True), 'a segment has the id True'),
    (lambda c: segment(c).update(id=1.5), 'a segment has the id 1.5'),
    (lambda c: segment(c).update(id=2**70), 'a segment has the id 118'),
    (lambda c: segment(c).update(id=0), 'a segment has the id 0'),
    (lambda c: segment(c).update(iscrowd=2), 'a segment has the iscrowd 2'),
    (lambda c: segment(c).update(category_id=[]), 'has the category_id []'),
    (lambda c: segment(c).update(category_id=True), 'has the category_id True'),
    (lambda c: c['annotations'][0].update(segments_info={}), 'not a list of objects'),
    (lambda c: c['annotations'][0].update(file_name=7), 'the file name 7 of the PNG'),
    (lambda c: c['annotations'][0].update(file_name='../x.png'), 'leaves the folder'),
    (lambda c: c['images'][0].update(height='60'), 'the JSON says 60x'),
    (lambda c: c['images'].append(c['images'][0]), 'the images of the JSON twice (id 11)'),
    (lambda c: c['images'].append({**c['images'][0], 'id': 99}), 'under two ids, 11 and 99'),
    (lambda c: c['annotations'].append(c['annotations'][0]), 'has two annotations'),
    (lambda c: c['images'][0].update(file_name=7), 'the file name 7 of the image'),
    (lambda c: c['images'][0].update(file_name='/etc/passwd'), 'leaves the folder'),
    (lambda c: c['images'][0].update(file_name='\ud800'), 'ud800 of the image'),
    (lambda c: c['images'].pop(0), 'has annotations but is not in the JSON'),
    (lambda c: c['images'][0].pop('id'), 'has annotations but is not in the JSON')])
def test_a_panoptic_images_faults(root, tmp_path, change, words):
  rewritten(root, PANOPTIC, change)
  source = coco_panoptic.coco_splits(str(root), 'coco_panoptic')['train']
  report = shards.convert(source, str(tmp_path / 'out'), 'train', 1, 1)
  assert report.written == len(small_coco.IMAGE_IDS) - 1
  (name, why), = report.refused.items()
  assert words in why and name in (FIRST, f'image {small_coco.IMAGE_IDS[0]}', 'image None',
                                      '/etc/passwd')


SQUARE = [10, 10, 30, 10, 30, 30, 10, 30]


@pytest.mark.parametrize('key, value, words', [
    ('iscrowd', 'no', 'has the iscrowd no'), ('category_id', 12345, 'has the category_id 12345'),
    ('category_id', {}, 'has the category_id {}'),
    ('segmentation', None, 'instances have no mask (ids 1100)'),
    ('segmentation', [], 'instances have no mask (ids 1100)'),
    ('segmentation', [[]], 'a box alone is not enough'),
    ('segmentation', 'nothing', 'neither a list nor an object'),
    ('segmentation', [[*SQUARE, 1]], 'odd number of coordinates'),
    ('segmentation', [['1'] * 8], 'not a list of numbers'),
    ('segmentation', [[True] * 8], 'not a list of numbers'),
    ('segmentation', [SQUARE, 7], 'not a list of numbers'),
    ('segmentation', [[*SQUARE, 1e9, 1]], 'a corner is not within'),
    ('segmentation', [[*SQUARE, 10**400, 1]], 'too large'),
    ('segmentation', [[0, 0, 99999, 0] * 50], 'its outlines are longer'),
    ('segmentation', {'counts': 'oooo'}, 'a mask of None pixels'),
    ('segmentation', {'size': 'turned', 'counts': 'oooo'}, 'width and height swapped'),
    ('segmentation', {'size': 'own', 'counts': [5, 7]}, 'instance 1100 has no'),
    ('segmentation', {'size': 'own', 'counts': [5, 7]}, 'are of 12 pixels, not of'),
    ('segmentation', [[*SQUARE, None, 1]], 'not a list of numbers'),
    ('segmentation', [[*SQUARE, math.nan, 1]], 'a corner is not within'),
    ('segmentation', {'size': [10**9, 10**9], 'counts': 'a'}, 'a mask of [1000000000'),
    ('segmentation', {'size': 'own', 'counts': 'oooo'}, 'damaged'),
    ('segmentation', {'size': 'own', 'counts': [10**18]}, 'whole numbers'),
    ('segmentation', {'size': 'own'}, 'neither text nor a list')])
def test_an_instances_faults(root, tmp_path, key, value, words):
  def change(content):
    image = content['images'][0]
    sizes = {'own': [image['height'], image['width']], 'turned': [image['width'], image['height']]}
    if isinstance(value, dict) and value.get('size') in ('own', 'turned'):
      content['annotations'][0][key] = {**value, 'size': sizes[value['size']]}
    else:
      content['annotations'][0][key] = value
  rewritten(root, INSTANCES, change)
  for source, data_set in (
      (coco_instances.coco_splits(str(root), 'coco_instance')['val'], 'instance'),
      (coco_panoptic.coco_splits(str(root), 'coco_panoptic')['val'], 'panoptic')):
    report = shards.convert(source, str(tmp_path / data_set), 'val', 1, 1)
    assert report.written == len(small_coco.IMAGE_IDS) - 1
    assert words in report.refused[FIRST]


def test_annotations_without_an_image_do_not_stop_the_others(root, tmp_path):
  rewritten(root, INSTANCES, lambda c: c['annotations'].append(
      {**c['annotations'][0], 'image_id': 99}))
  source = coco_instances.coco_splits(str(root), 'coco_instance')['val']
  report = shards.convert(source, str(tmp_path / 'out'), 'val', 1, 1)
  assert report.written == len(small_coco.IMAGE_IDS)
  assert report.refused == {'image 99': 'image 99 has annotations but is not in the JSON'}


def test_masks_without_end_are_refused_before_they_are_made(root):
  row = annotations.read_instances(str(root / INSTANCES), 'coco_instance')[0]
  source = coco_panoptic.coco_splits(str(root), 'coco_panoptic')['val']
  huge = {**row, 'height': 60000, 'width': 60000}
  with pytest.raises(UnusableImage, match='masks of 60000x60000 pixels are more'):
    source.instances_of(huge)
