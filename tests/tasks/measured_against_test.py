"""What each score is measured against, and the line on the console that says so."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders import schema
from tf_maskformer.tasks.scores import Scores

SIZE = (64, 96)
PNG = tf.io.encode_png(np.zeros([*SIZE, 3], np.uint8)).numpy()


def masks(*boxes):
  """Bool masks [height, width] of (top, bottom, left, right)."""
  found = []
  for top, bottom, left, right in boxes:
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    found.append(mask)
  return found


def write(folder, classes, regions, ids=None, instances=None):
  """Writes a record of one segment per region; returns the pattern that finds it."""
  id_map = sum((k + 1) * region for k, region in enumerate(regions))
  segments = [schema.Segment(c, False, 0, int(m.sum()), i) for c, m, i in zip(
      classes, regions, ids or range(1, len(classes) + 1))]
  with tf.io.TFRecordWriter(str(folder / 'val.tfrecord')) as writer:
    writer.write(schema.write(
        PNG, 'png', SIZE, 'a', 'a.jpg', [id_map], segments, instances=instances))
  return str(folder / 'val*')


def score(truth, data_set, classes, regions, **evaluation):
  """Scores logits that say exactly these masks."""
  row = catalog.get(data_set)
  class_logits = 20.0 * np.eye(row.num_classes + 1)[classes]
  mask_logits = 40.0 * np.stack(regions)[:, ::4, ::4] - 20
  scores = Scores(Evaluation(**{'panoptic': False, **evaluation}), row, truth)
  scores.add({
      'example_id': truth.example_ids[0], 'padded_size': SIZE, 'image_size': SIZE,
      'original_size': SIZE, 'loss': 1.0, 'class_logits': class_logits.astype(np.float32),
      'mask_logits': mask_logits.astype(np.float32)})
  return scores.result()


@pytest.mark.parametrize('data_set', ['ade20k', 'mapillary', 'coco_panoptic'])
def test_miou_against_segments_or_labels(tmp_path, data_set):
  row = catalog.get(data_set)
  thing = min(row.thing_classes)
  stuff = next(c for c in range(row.num_classes) if c not in row.thing_classes)
  # Stripes, whose edges survive the resizing of masks to the pixel.
  right, left, rest = masks((0, 64, 0, 32), (0, 64, 32, 64), (0, 64, 64, 96))
  # The panoptic segments leave one of the things void, which the label has.
  records = write(tmp_path, [thing, thing, stuff], [left & False, right, rest])
  against = {}
  for name in ('segments', 'labels'):
    label = {c: value for value, c in row.class_of_label.items()}
    values = np.where(left | right, label[thing], label[stuff]).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / 'a.png')
    truth = ground_truth.GroundTruth(
        records, data_set, semantic_labels=str(tmp_path) if name == 'labels' else '')
    # The model takes the void thing for stuff.
    against[name] = score(truth, data_set, [thing, stuff], [right, rest | left], semantic=True)
  assert against['segments']['miou'] == pytest.approx(100)
  assert against['labels']['miou'] < 75
  line = 'the published one is against the label PNGs'
  assert (line in against['segments']['table']) == (data_set != 'coco_panoptic')
  assert line not in against['labels']['table']


def test_records_of_labels_are_the_published_truth(tmp_path):
  upper, lower = masks((0, 32, 0, 96), (32, 64, 0, 96))
  truth = ground_truth.GroundTruth(write(tmp_path, [0, 3], [upper, lower]), 'ade20k')
  result = score(truth, 'ade20k', [0, 3], [upper, lower], semantic=True)
  assert result['miou'] == pytest.approx(100) and 'published' not in result['table']


def test_ap_against_the_instances_of_the_records(tmp_path):
  person, car = 0, 2
  whole, visible, other = masks((0, 64, 0, 48), (0, 32, 0, 48), (0, 64, 48, 96))
  instances = [
      schema.Instance(person, False, int(whole.sum()), 1, whole),
      schema.Instance(car, False, int(other.sum()), 2, other)]
  found = {}
  for known in (None, instances):
    records = write(tmp_path, [person, car], [visible, other], instances=known)
    truth = ground_truth.GroundTruth(records, 'coco_panoptic')
    found[known is None] = score(
        truth, 'coco_panoptic', [person, car], [whole, other], instance=True)
  assert found[False]['ap'] == pytest.approx(100)
  assert found[True]['ap'] < 75
  assert 'AP is against the instances that the records hold' in found[False]['table']
  assert "AP is against the records' panoptic segments" in found[True]['table']


def test_things_alone_need_no_line(tmp_path):
  upper, lower = masks((0, 32, 0, 96), (32, 64, 0, 96))
  truth = ground_truth.GroundTruth(write(tmp_path, [0, 3], [upper, lower]), 'coco_instance')
  assert 'against' not in score(
      truth, 'coco_instance', [0, 3], [upper, lower], instance=True)['table']


def test_records_that_know_no_crowds(tmp_path):
  upper, lower = masks((0, 32, 0, 96), (32, 64, 0, 96))
  own = write(tmp_path, [0, 5], [upper, lower])
  category = tf.io.encode_png(np.where(upper, 1, 6).astype(np.uint8)[..., None]).numpy()
  instance = tf.io.encode_png(upper.astype(np.uint8)[..., None]).numpy()
  example = tf.train.Example()
  for name, value in (('encoded', PNG), ('source_id', b'a'), ('panoptic/category_mask', category),
                      ('panoptic/instance_mask', instance)):
    example.features.feature[f'image/{name}'].bytes_list.value.append(value)
  for name, value in zip(('height', 'width'), SIZE):
    example.features.feature[f'image/{name}'].int64_list.value.append(value)
  with tf.io.TFRecordWriter(str(tmp_path / 'garden.tfrecord')) as writer:
    writer.write(example.SerializeToString())
  for records, warns in ((own, 0), (f'{tmp_path}/garden*', 1)):
    truth = ground_truth.GroundTruth(records, 'coco_panoptic')
    result = score(
        truth, 'coco_panoptic', [0, 5], [upper, lower], panoptic=True, semantic=True, instance=True)
    assert result['pq_all'] == pytest.approx(100)
    assert result['table'].count('know no crowds') == warns


@pytest.mark.parametrize('ids, known', [
    ([7, 26001, 26002], True),
    ([1, 2, 3], False),
    ([7, 24001, 9999999], False)])  # not Cityscapes' numbers: 24 is person, 9999 nothing
def test_iiou_where_the_records_tell_instances_apart(tmp_path, ids, known):
  road, car = 0, 13
  regions = masks((0, 64, 48, 96), (0, 64, 32, 48), (0, 64, 0, 32))
  truth = ground_truth.GroundTruth(
      write(tmp_path, [road, car, car], regions, ids=ids), 'cityscapes')
  # The smaller car is taken for road: a third of the pixels of cars, half of its cars.
  result = score(
      truth, 'cityscapes', [road, car], [regions[0] | regions[1], regions[2]], semantic=True)
  assert result['iou_class/car'] == pytest.approx(200 / 3)
  assert result['iou_category/vehicle'] == pytest.approx(200 / 3)
  assert ('iIoU is not measured' in result['table']) != known
  assert ('iiou' in result) == known
  if known:
    assert result['iiou_class/car'] == pytest.approx(50) == result['iiou']
    assert result['iiou_category/vehicle'] == pytest.approx(50) == result['category_iiou']
