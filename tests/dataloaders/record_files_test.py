"""Files of records: damage is found by header and checksum, and the record is named."""

import gzip
import os
import struct

import numpy as np
import pytest
import tensorflow as tf

from tests.faults import records
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders import reader
from tf_maskformer.dataloaders import record_faults
from tf_maskformer.dataloaders import record_files
from tf_maskformer.dataloaders import semantic_labels
from tf_maskformer.dataloaders.preparation import semantic
from tf_maskformer.errors import UserError

KIND = 'coco_panoptic'


def write(path, contents):
  with tf.io.TFRecordWriter(str(path)) as writer:
    for content in contents:
      writer.write(content)
  return path


@pytest.fixture(name='good')
def make_good(tmp_path):
  return write(tmp_path / 'val', [records.good_record(KIND, k) for k in range(3)])


def test_records_are_where_their_headers_say(good):
  offsets = record_files.record_offsets([str(good)])
  wanted = [record.numpy() for record in tf.data.TFRecordDataset(str(good))]
  assert [record_files.read(offset) for offset in offsets] == wanted
  assert list(record_files.read_all(offsets)) == wanted
  assert str(offsets[2]) == f'record 2 of {good}'


@pytest.mark.parametrize('change, words', [
    (lambda data: data[:-1], 'record 2 of .* truncated|truncated .*record 2'),
    (lambda data: data + b'abc', 'record 3 of .* truncated'),
    (lambda data: bytes(len(data)), 'record 0 of .* not a TFRecord file'),
    (lambda data: data + bytes(16), 'record 3 of .* damaged'),
    (lambda data: struct.pack('<Q', 2**62) + data[8:], 'record 0 of .* damaged'),
    (gzip.compress, 'compressed; unpack it'),
    (lambda data: b'\x89PNG\r\n\x1a\n' * 9, 'not a TFRecord file')])
def test_damaged_framing(good, change, words):
  good.write_bytes(change(good.read_bytes()))
  with pytest.raises(UserError, match=words):
    record_files.record_offsets([str(good)])


def test_an_empty_record_and_an_empty_file(good, tmp_path):
  empty = tmp_path / 'none'
  empty.write_bytes(b'')
  assert len(record_files.record_offsets([str(empty), str(good)])) == 3
  with pytest.raises(UserError, match='none holds no record'):
    record_files.record_offsets([str(empty)])
  with pytest.raises(UserError, match='record 1 of .* the record is empty'):
    record_files.record_offsets([str(write(tmp_path / 'x', [b'a', b'']))])


def test_what_is_next_to_records_is_not_one(tmp_path):
  records_of_train = write(tmp_path / 'train-00000-of-00001.tfrecord', [b'a'])
  for name in ('train.txt', 'train.report.json', 'train.manifest.json', 'train_sheet.png'):
    (tmp_path / name).write_bytes(b'none')
  assert record_files.match(f'{tmp_path}/train*') == [str(records_of_train)]
  (tmp_path / 'data_set.yaml').write_bytes(b'none')
  assert record_files.match(f'{tmp_path}/*') == [str(records_of_train)]


def test_the_truth_is_read_with_checksums(good):
  offsets = record_files.record_offsets([str(good)])
  truth = ground_truth.GroundTruth(str(good), KIND)
  data = bytearray(good.read_bytes())
  data[offsets[1].offset + 300] ^= 1
  good.write_bytes(data)
  with pytest.raises(UserError, match='record 1 of .*corrupted record'):
    truth[truth.example_ids[1]]
  assert truth[truth.example_ids[2]]
  with pytest.raises(UserError, match='record 1 of .*corrupted record'):
    ground_truth.GroundTruth(str(good), KIND)
  assert 'record 1 of' in record_faults.locate(str(good), KIND)


def test_names_that_are_not_text(good, tmp_path):
  (tmp_path / os.fsdecode(b'val\xff')).write_bytes(b'')
  with pytest.raises(UserError, match='not UTF-8.*; rename'):
    record_files.match(f'{good}*')
  with pytest.raises(UserError, match='not UTF-8.*; rename'):
    semantic.SemanticFolders(str(tmp_path), str(tmp_path), 'ade20k').rows()
  with pytest.raises(UserError, match='not UTF-8.*; rename'):
    semantic_labels.SemanticLabels(str(tmp_path), 'ade20k', [], 'val')


def test_two_records_of_one_image_are_both_named(tmp_path):
  twice = [records.good_record(KIND, k) for k in (0, 1, 0)]
  path = write(tmp_path / 'val', twice)
  with pytest.raises(UserError, match=r"'id0' \(record 0 of .*val, record 2 of .*val\)"):
    ground_truth.GroundTruth(str(path), KIND)


def test_the_record_that_stops_a_pipeline_is_found(good, tmp_path):
  example = tf.train.Example.FromString(records.good_record(KIND, 5))
  example.features.feature['segments/layer'].int64_list.value[0] = 7
  path = write(tmp_path / 'val-b', [records.good_record(KIND, 4), example.SerializeToString()])
  both = f'{good},{path}'
  assert record_faults.locate(both, KIND) == (
      f'record 1 of {path}: image id5 has a segments/layer out of range')
  assert record_faults.locate(str(good), KIND) == 'all 3 records can be decoded'
  assert 'the first 1 of 3 records are good' in record_faults.locate(str(good), KIND, seconds=0)


def test_preflight_names_the_file_and_what_is_wrong(tmp_path):
  for content, words in (
      (b'\xff\xfe garbage', 'not a tf.train.Example'),
      (records.good_record('coco_instance', 0), ''),
      (records.good_record(KIND, 0), 'class outside 0 to 79')):
    path = write(tmp_path / 'x', [content])
    config = DataConfig(input_path=str(path))
    if not words:
      reader.preflight(config, 'coco_instance', 80, 'field')
      continue
    with pytest.raises(UserError, match=f'field: the first record of {path} .*{words}'):
      reader.preflight(config, 'coco_instance', 80, 'field')


def test_values_of_instances_are_in_range(tmp_path):
  for key, value in (('class', 133), ('class', -1), ('is_crowd', 2), ('area', -1), ('area', 2**40)):
    example = tf.train.Example.FromString(records.good_record(KIND, 0))
    example.features.feature[f'instances/{key}'].int64_list.value[1] = value
    path = write(tmp_path / f'{key}{value}', [example.SerializeToString()])
    truth = ground_truth.GroundTruth(str(path), KIND)
    with pytest.raises(UserError, match=f'record 0 of .*instances/{key} outside 0 to'):
      truth.instances(truth.example_ids[0])
    assert np.any(truth[truth.example_ids[0]][0])
