"""The instances that panoptic records hold: as COCO's JSON has them, and never by mistake."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from pycocotools.coco import COCO

from tests import support
from tests.dataloaders import small_coco
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.preparation import coco_panoptic
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import prepare_data

PANOPTIC, INSTANCES = 'annotations/panoptic_val2017.json', 'annotations/instances_val2017.json'


@pytest.fixture(name='root')
def draw(tmp_path):
  return small_coco.write(tmp_path / 'coco')


def real(folder):
  """COCO's images with an instances JSON of its own, in which one image has no instance."""
  mini = support.shared('data/coco_panoptic_mini')
  (folder / 'annotations').mkdir(parents=True)
  for name in ('val2017', PANOPTIC, 'annotations/panoptic_val2017'):
    (folder / name).symlink_to(mini / name)
  content = json.loads((mini / INSTANCES).read_text())
  content['annotations'] = [a for a in content['annotations'] if a['image_id'] != 46804]
  (folder / INSTANCES).write_text(json.dumps(content))
  return folder


def convert(root, output):
  source = coco_panoptic.coco_splits(str(root), 'coco_panoptic')['val']
  return shards.convert(source, str(output), 'val', 1, 1)


# What to convert; the image in which one thing is annotated twice, as couch and as bed, and the
# pixels that these share at least; and the image without instances.
@pytest.mark.parametrize('write, double, shared, without', [
    (small_coco.write, small_coco.WITH_DOUBLE, 1500, small_coco.WITHOUT_INSTANCES),
    (real, 39769, 10000, 46804)], ids=['drawn', 'real'])
def test_as_the_json_has_them(write, double, shared, without, tmp_path):
  root = write(tmp_path / 'coco')
  convert(root, tmp_path)
  truth = ground_truth.GroundTruth(f'{tmp_path}/val*', 'coco_panoptic')
  assert truth.instance_source == 'instances'
  coco, class_of = COCO(str(root / INSTANCES)), catalog.get('coco_panoptic').contiguous_ids
  counts = {}
  for example_id in truth.example_ids:
    source_id = truth.source_id(example_id)
    wanted = coco.loadAnns(coco.getAnnIds(int(source_id)))
    found = truth.instances(example_id)
    assert [(r['category_id'], r['iscrowd'], r['area']) for r in found] == [
        (class_of[a['category_id']], bool(a['iscrowd']), instance_masks.integer_area(a['area']))
        for a in wanted]
    for row, annotation in zip(found, wanted):
      np.testing.assert_array_equal(row['mask'], coco.annToMask(annotation).astype(bool))
    counts[source_id] = len(found)
  assert sum(counts.values()) == len(coco.anns)
  # Known to have none: its things, segments, are not taken instead.
  assert counts[str(without)] == 0
  # Instances that overlap, so that no panoptic map has them.
  overlapping = next(e for e in truth.example_ids if truth.source_id(e) == str(double))
  masks = [r['mask'] for r in truth.instances(overlapping)]
  assert max((a & b).sum() for i, a in enumerate(masks) for b in masks[:i]) > shared


def test_a_json_given_goes_before(root, tmp_path):
  convert(root, tmp_path)
  path = root / 'annotations/other.json'
  content = json.loads((root / INSTANCES).read_text())
  path.write_text(json.dumps({**content, 'annotations': content['annotations'][:1]}))
  truth = ground_truth.GroundTruth(f'{tmp_path}/val*', 'coco_panoptic', str(path))
  assert truth.instance_source == 'annotations'
  assert sum(len(truth.instances(e)) for e in truth.example_ids) == 1


def test_with_and_without_are_two_conversions(root, tmp_path):
  output, hidden = tmp_path / 'records', tmp_path / 'instances.json'
  convert(root, output)
  assert convert(root, output).shards_kept == 1
  shutil.move(root / INSTANCES, hidden)
  assert convert(root, output).shards_kept == 0
  truth = ground_truth.GroundTruth(f'{output}/val*', 'coco_panoptic')
  assert truth.instance_source == 'segments'
  example_id = truth.example_ids[0]
  assert len(truth.instances(example_id)) == len(truth[example_id][1])
  shutil.move(hidden, root / INSTANCES)
  assert convert(root, output).shards_kept == 0


def test_two_conversions_do_not_mix(tmp_path):
  png = tf.io.encode_png(np.zeros([4, 6, 3], np.uint8)).numpy()
  with tf.io.TFRecordWriter(str(tmp_path / 'val.tfrecord')) as writer:
    for name, instances in (('a', []), ('b', None), ('c', [])):
      writer.write(schema.write(
          png, 'png', (4, 6), name, name, [np.zeros([4, 6])], [], instances=instances))
  with pytest.raises(UserError, match='1 of 3 records do not have the instances'):
    ground_truth.GroundTruth(f'{tmp_path}/val*', 'coco_panoptic')


def test_flags(root, tmp_path, capsys):
  one_split = ['coco_panoptic', f'--images={root}/val2017', f'--annotations={root}/{PANOPTIC}',
               f'--panoptic={root}/annotations/panoptic_val2017', '--split=val', '--workers=1']
  prepare_data.main([*one_split, f'--output={tmp_path}/a', f'--instances={root}/{INSTANCES}'])
  assert f'with the instances of {root}/{INSTANCES}' in capsys.readouterr().out
  truth = ground_truth.GroundTruth(f'{tmp_path}/a/val*', 'coco_panoptic')
  assert truth.instance_source == 'instances'
  prepare_data.main([*one_split, f'--output={tmp_path}/b'])
  assert 'without instances: AP' in capsys.readouterr().out
  prepare_data.main(['coco_panoptic', f'--coco_root={root}', f'--output={tmp_path}/c'])
  printed = capsys.readouterr().out.splitlines()
  said = {line.split(':')[0]: after for line, after in zip(printed, printed[1:])}
  assert 'without instances' in said['train'] and 'with the instances of' in said['val']
  with pytest.raises(UserError, match='--instances goes with coco_panoptic and one split'):
    prepare_data.main(['coco_panoptic', f'--coco_root={root}', f'--output={tmp_path}/c',
                       f'--instances={root}/{INSTANCES}'])


def test_a_json_of_another_split(root):
  content = json.loads((root / INSTANCES).read_text())
  gone = content['images'].pop()['id']
  content['annotations'] = [a for a in content['annotations'] if a['image_id'] != gone]
  (root / INSTANCES).write_text(json.dumps(content))
  with pytest.raises(UserError, match=f'do not have 1 images of .*, {gone} for one'):
    coco_panoptic.coco_splits(str(root), 'coco_panoptic')['val'].rows()
