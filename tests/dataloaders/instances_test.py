"""Instances that overlap: to id maps and back without the loss of a pixel, COCO's own too."""

import json

import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as mask_tools
from pycocotools.coco import COCO

from tests.dataloaders import small_coco
from tf_maskformer.configs.data import Augmentation
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import augment
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders import packing
from tf_maskformer.dataloaders.preparation import coco_instances
from tf_maskformer.dataloaders.preparation import coco_panoptic
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError


def test_packing_loses_nothing_and_needs_few_maps():
  rng = np.random.default_rng(0)
  masks = []
  for _ in range(30):
    top, left = rng.integers(0, 40, 2)
    mask = np.zeros([60, 60], bool)
    mask[top:top + rng.integers(3, 20), left:left + rng.integers(3, 20)] = True
    masks.append(mask)
  planes, plane_of = packing.pack(masks, (60, 60))
  for k, mask in enumerate(masks):
    np.testing.assert_array_equal(planes[plane_of[k]] == k + 1, mask)
  depth = np.sum(masks, axis=0).max()
  assert depth <= len(planes) <= 2 * depth
  assert len(packing.pack([], (5, 6))[0]) == 1


@pytest.fixture(name='root')
def draw(tmp_path):
  return small_coco.write(tmp_path / 'coco')


@pytest.mark.parametrize('kind', ['drawn', 'real'])
def test_coco_annotations_there_and_back(kind, tmp_path):
  root = small_coco.folder(kind, tmp_path / 'coco')
  source = coco_instances.coco_splits(str(root), 'coco_instance')['val']
  report = shards.convert(source, str(tmp_path), 'val', 2, 1)
  assert report.written == {'drawn': len(small_coco.IMAGE_IDS), 'real': 7}[kind]
  assert not report.refused
  truth = ground_truth.GroundTruth(f'{tmp_path}/val*', 'coco_instance')
  coco = COCO(str(root / 'annotations/instances_val2017.json'))
  checked = 0
  for example_id in truth.example_ids:
    wanted = coco.loadAnns(coco.getAnnIds(int(truth.source_id(example_id))))
    found = truth.instances(example_id)
    assert len(found) == len(wanted)
    for row, annotation in zip(found, wanted):
      np.testing.assert_array_equal(row['mask'], coco.annToMask(annotation).astype(bool))
      assert row['iscrowd'] == bool(annotation['iscrowd'])
      assert row['area'] == int(annotation['area'])
      checked += 1
  assert checked == len(coco.anns)


@pytest.mark.parametrize('kind', ['drawn', 'real'])
def test_panoptic_records_with_the_truth_of_the_instances_json(kind, tmp_path):
  root = small_coco.folder(kind, tmp_path / 'coco')
  source = coco_panoptic.coco_splits(str(root), 'coco_panoptic')['val']
  shards.convert(source, str(tmp_path), 'val', 1, 1)
  path = root / 'annotations/instances_val2017.json'
  truth = ground_truth.GroundTruth(f'{tmp_path}/val*', 'coco_panoptic', str(path))
  coco = COCO(str(path))
  class_of, checked = catalog.get('coco_panoptic').contiguous_ids, 0
  for example_id in truth.example_ids:
    wanted = coco.loadAnns(coco.getAnnIds(int(truth.source_id(example_id))))
    found = truth.instances(example_id)
    assert [(r['category_id'], r['iscrowd'], r['area']) for r in found] == [
        (class_of[a['category_id']], bool(a['iscrowd']), a['area']) for a in wanted]
    for row, annotation in zip(found, wanted):
      np.testing.assert_array_equal(row['mask'], coco.annToMask(annotation).astype(bool))
      checked += 1
  assert checked == len(coco.anns)
  content = json.loads(path.read_text())
  gone = content['images'].pop()['id']
  content['annotations'] = [a for a in content['annotations'] if a['image_id'] != gone]
  (tmp_path / 'x.json').write_text(json.dumps(content))
  with pytest.raises(UserError, match=f'does not have 1 images of .*, {gone} for one'):
    ground_truth.GroundTruth(f'{tmp_path}/val*', 'coco_panoptic', str(tmp_path / 'x.json'))


def test_what_is_refused(root, tmp_path):
  for name, words in (('panoptic_val2017.json', 'not panoptic_'), ('none.json', 'do not exist')):
    with pytest.raises(UserError, match=words):
      coco_instances.CocoInstances(str(root / 'val2017'), str(root / 'annotations' / name)).rows()
  content = json.loads((root / 'annotations/instances_val2017.json').read_text())
  content['annotations'][0]['category_id'] = 999
  content['categories'].append({'id': 999})
  (tmp_path / 'x.json').write_text(json.dumps(content))
  with pytest.raises(UserError, match=r'does not have: \[999\]'):
    coco_instances.CocoInstances(str(root / 'val2017'), str(tmp_path / 'x.json')).rows()
  content['annotations'][0]['category_id'] = 1
  content['annotations'][0]['segmentation'] = 'nothing'
  (tmp_path / 'x.json').write_text(json.dumps(content))
  source = coco_instances.CocoInstances(str(root / 'val2017'), str(tmp_path / 'x.json'))
  report = shards.convert(source, str(tmp_path / 'records'), 'val', 1, 1)
  assert report.written == len(small_coco.IMAGE_IDS) - 1
  assert 'no polygons or run lengths' in str(report.refused)
  assert mask_tools  # the oracle of the masks above


@pytest.mark.parametrize('area, whole', [
    (1023.9, 1023), (1024, 1024), (1024.1, 1025), (9215.9, 9215), (9216.5, 9217), (50.7, 50),
    (9216, 9216)])
def test_integer_areas_are_of_the_same_size_to_coco(area, whole):
  assert instance_masks.integer_area(area) == whole
  for low, high in ((0, 32**2), (32**2, 96**2), (96**2, 1e10)):
    assert (low <= area <= high) == (low <= whole <= high)


def test_scale_jitter_follows_detectron2():
  config = Augmentation(scale_jitter=[0.1, 2.0], flip_probability=0.0)
  y, x = np.mgrid[:300, :400]
  image = np.stack([y // 2, x // 2, 0 * y], -1).astype(np.uint8)
  ids = (y // 10 * 40 + x // 10)[..., None].astype(np.int32)
  sample = augment.unmoved(tf.constant(image), tf.constant(ids))
  seen = set()
  for i in range(25):
    seed = tf.constant([7, i])
    augmented, maps, _ = augment.augment(sample, config, [256, 256], seed)
    again, _, _ = augment.augment(sample, config, [256, 256], seed)
    np.testing.assert_array_equal(augmented, again)
    height, width = augmented.shape[:2]
    assert augmented.shape[:2] == maps.shape[:2] and max(height, width) <= 256
    if width < 256:  # nothing was cut: the whole image, its sides in proportion
      assert abs(height / width - 0.75) < 0.03 and maps[-1, -1, 0] > 1100
    seen.add((height, width))
  assert len(seen) > 5
