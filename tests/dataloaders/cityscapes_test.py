"""Cityscapes' instance labels to records and back: panoptic and instances alone, by one rule."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders import record_files
from tf_maskformer.dataloaders.preparation import cityscapes
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import prepare_data

# Ids of cityscapesscripts' labels; a caravan is void.
ROAD = 7
TRAFFIC_LIGHT = 19
RIDER = 25
CAR = 26
CARAVAN = 29


def draw(root, split, label, number=19):
  for folder, suffix, pixels in (
      ('leftImg8bit', 'leftImg8bit', np.zeros([*label.shape, 3], np.uint8)),
      ('gtFine', 'gtFine_instanceIds', label.astype(np.uint16))):
    path = root / folder / split / 'ulm' / f'ulm_000000_{number:06d}_{suffix}.png'
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(name='label')
def draw_label():
  values = [3, ROAD, TRAFFIC_LIGHT, CAR * 1000, CAR * 1000 + 1, CAR, RIDER * 1000 + 7,
            CARAVAN * 1000, CARAVAN]
  return np.repeat(np.repeat(np.array(values).reshape(3, 3), 8, 0), 10, 1)


@pytest.mark.parametrize('data_set, wanted', [
    # (pixel value, contiguous class, crowd)
    ('cityscapes', [
        (ROAD, 0, False), (TRAFFIC_LIGHT, 6, False), (CAR, 13, True), (RIDER * 1000 + 7, 12, False),
        (CAR * 1000, 13, False), (CAR * 1000 + 1, 13, False)]),
    ('cityscapes_instance', [
        (CAR, 2, True), (RIDER * 1000 + 7, 1, False), (CAR * 1000, 2, False),
        (CAR * 1000 + 1, 2, False)])])
def test_there_and_back(tmp_path, capsys, label, data_set, wanted):
  for split in ('train', 'val'):
    draw(tmp_path, split, label)
  prepare_data.main(['cityscapes', f'--cityscapes_root={tmp_path}', f'--output={tmp_path}/records',
                     f'--data_set={data_set}', '--targets=pixels', '--workers=1'])
  assert 'val: 1 images' in capsys.readouterr().out
  truth = ground_truth.GroundTruth(f'{tmp_path}/records/val*', data_set)
  example_id, = truth.example_ids
  assert truth.source_id(example_id) == 'ulm/ulm_000000_000019'
  found = truth.instances(example_id)
  assert [(row['category_id'], bool(row['iscrowd'])) for row in found] == [w[1:] for w in wanted]
  for row, (value, _, _) in zip(found, wanted):
    np.testing.assert_array_equal(row['mask'], label == value)
    assert row['area'] == 80


def test_images_without_an_instance_are_not_trained_on(tmp_path, capsys, label):
  for split in ('train', 'val'):
    draw(tmp_path, split, label)
    # The crowd of cars stays.
    draw(tmp_path, split, np.where(label >= 1000, ROAD, label), number=20)
  for data_set, trained in (('cityscapes', 2), ('cityscapes_instance', 1)):
    flags = ['cityscapes', f'--cityscapes_root={tmp_path}', f'--output={tmp_path}/{data_set}',
             '--targets=pixels', '--workers=1']
    prepare_data.main([*flags, f'--data_set={data_set}'])
    printed = capsys.readouterr().out
    assert f'train: {trained} images' in printed and 'val: 2 images' in printed
    assert ('no instance except crowds' in printed) == (trained == 1)


def test_corrected_labels_are_converted_again(tmp_path, label):
  flags = ['cityscapes', f'--cityscapes_root={tmp_path}', f'--output={tmp_path}/records',
           '--workers=1']
  for corrected in (label, np.where(label == CAR, ROAD, label)):
    for split in ('train', 'val'):
      draw(tmp_path, split, corrected)
    prepare_data.main([*flags, '--data_set=cityscapes'])
    truth = ground_truth.GroundTruth(f'{tmp_path}/records/val*', 'cityscapes')
    crowds = [row for row in truth.instances(truth.example_ids[0]) if row['iscrowd']]
    assert len(crowds) == (corrected == CAR).any()


def test_void_must_be_known_where_stuff_is_not(tmp_path, label):
  draw(tmp_path, 'val', label)
  source = cityscapes.splits(str(tmp_path), 'cityscapes_instance')['val']
  shards.convert(source, str(tmp_path / 'records'), 'val', 1, 1)
  record, = record_files.match(f'{tmp_path}/records/val*')
  example = tf.train.Example.FromString(record_files.read(record_files.record_offsets([record])[0]))
  del example.features.feature['image/void']
  with tf.io.TFRecordWriter(record) as writer:
    writer.write(example.SerializeToString())
  message = 'does not say which pixels are void.* --data_set cityscapes_instance'
  with pytest.raises(UserError, match=message):
    ground_truth.GroundTruth(f'{tmp_path}/records/val*', 'cityscapes_instance')


def test_what_is_missing_is_said(tmp_path):
  with pytest.raises(UserError, match='cityscapes needs --cityscapes_root'):
    prepare_data.main(['cityscapes', f'--output={tmp_path}/records'])
  with pytest.raises(UserError, match='leftImg8bit/train is not a directory'):
    prepare_data.main(
        ['cityscapes', f'--cityscapes_root={tmp_path}', f'--output={tmp_path}/records'])
