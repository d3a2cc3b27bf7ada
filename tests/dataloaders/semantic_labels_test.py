"""Label PNGs as the truth of mIoU: found by name, read by the data set's rule, checked."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders import schema
from tf_maskformer.errors import UserError

SIZE = (4, 6)


def write_records(folder, images):
  """Writes a record of one segment of class 0 for each (source id, file name)."""
  id_map = np.ones(SIZE, np.int32)
  with tf.io.TFRecordWriter(str(folder / 'val.tfrecord')) as writer:
    for source_id, file_name in images:
      writer.write(schema.write(
          tf.io.encode_png(np.zeros([*SIZE, 3], np.uint8)).numpy(), 'png', SIZE, source_id,
          file_name, [id_map], [schema.Segment(0, False, 0, 24, 1)]))
  return str(folder / 'val*')


def write_label(folder, name, values, size=SIZE, palette=False):
  image = Image.fromarray(np.resize(np.array(values, np.uint8), size))
  if palette:
    image.putpalette([(7 * i) % 256 for i in range(768)])
  path = folder / 'labels' / f'{name}.png'
  path.parent.mkdir(parents=True, exist_ok=True)
  image.save(path)


def truth_of(folder, records, data_set):
  return ground_truth.GroundTruth(records, data_set, semantic_labels=str(folder / 'labels'))


@pytest.mark.parametrize('data_set, values, classes', [
    ('ade20k', [0, 1, 150, 2], [-1, 0, 149, 1]),
    ('mapillary', [0, 64, 65, 1], [0, 64, -1, 1])])
def test_values_by_the_rule_of_the_data_set(tmp_path, data_set, values, classes):
  # The first by its source id, below a folder; the second by its file name.
  records = write_records(tmp_path, [('x/a', 'other.jpg'), ('17', 'b.jpg')])
  write_label(tmp_path, 'x/a', values, palette=data_set == 'mapillary')
  write_label(tmp_path, 'b', values[::-1])
  write_label(tmp_path, 'of_another_split', [99])
  truth = truth_of(tmp_path, records, data_set)
  first, second = truth.example_ids
  np.testing.assert_array_equal(truth.labels(first, SIZE), np.resize(classes, SIZE))
  np.testing.assert_array_equal(truth.labels(second, SIZE), np.resize(classes[::-1], SIZE))
  assert truth.has_labels
  assert not ground_truth.GroundTruth(records, data_set).has_labels


def test_what_cannot_be_used(tmp_path):
  records = write_records(tmp_path, [('a', 'a.jpg'), ('b', 'b.jpg'), ('c', 'c.jpg')])
  with pytest.raises(UserError, match='semantic_labels=.*labels is not a directory'):
    truth_of(tmp_path, records, 'ade20k')
  write_label(tmp_path, 'a', [1], size=(6, 4))
  message = r'does not have the labels of 2 images of .*val\*, b.png for one'
  with pytest.raises(UserError, match=message):
    truth_of(tmp_path, records, 'ade20k')
  write_label(tmp_path, 'b', [1, 200])
  write_label(tmp_path, 'c', [1])
  truth = truth_of(tmp_path, records, 'ade20k')
  for example_id, words in zip(truth.example_ids, (
      'a.png is 6x4, its image 4x6', r'b.png has values .* void in ade20k: 200;')):
    with pytest.raises(UserError, match=words):
      truth.labels(example_id, SIZE)
  assert (truth.labels(truth.example_ids[2], SIZE) == 0).all()
