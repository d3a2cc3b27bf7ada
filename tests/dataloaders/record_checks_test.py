"""A record that contradicts itself is refused by the graph, and what is wrong is said."""

import numpy as np
import pytest
import tensorflow as tf

from tests.faults import hostile
from tests.faults import records
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage

MAP = schema.encode_id_map(np.zeros([48, 64]))
OTHER_SIZE = schema.encode_id_map(np.zeros([48, 63]))
TOO_HIGH = schema.encode_id_map(np.full([48, 64], 4))
EIGHT_BITS = tf.io.encode_png(np.zeros([48, 64, 1], np.uint8)).numpy()


def changed(kind: str, **features) -> bytes:
  """A good record with the values of some features replaced; None takes one away."""
  example = tf.train.Example.FromString(records.good_record(kind, 0))
  for name, values in features.items():
    key = name.replace('__', '/')
    if values is None:
      del example.features.feature[key]
      continue
    feature = example.features.feature[key]
    is_bytes = feature.WhichOneof('kind') == 'bytes_list'
    (feature.bytes_list if is_bytes else feature.int64_list).value[:] = values
  return example.SerializeToString()


def refusal(kind: str, record: bytes) -> str:
  with pytest.raises(decoder.ERRORS) as error:
    decoder.function(kind)(record)
  return decoder.explain(error.value)


@pytest.mark.parametrize('key, values, words', [
    ('segments/class', [2**40, 3, 5], 'image id0 has a class outside 0 to 132'),
    ('segments/class', [-1, 3, 5], 'has a class outside'),
    ('segments/class', [133, 3, 5], 'has a class outside'),
    ('segments/class', [3, 5], 'one segments/is_crowd per segment'),
    ('segments/class', [0] * 10**6, 'more than 65535 segments'),
    ('segments/is_crowd', [0, 0, 2], 'has a segments/is_crowd out of range'),
    ('segments/layer', [0, 0, 1], 'has a segments/layer out of range'),
    ('segments/layer', [0, 0, -1], 'has a segments/layer out of range'),
    ('segments/area', [1, 2], 'one segments/area per segment'),
    ('segments/area', [1, 2, 2**31], 'has a segments/area out of range'),
    ('segments/area', [1, 2, -3], 'has a segments/area out of range'),
    ('segments/id', [1, 2, 3, 4], 'one segments/id per segment'),
    ('image/height', [2**40], 'out of range'),
    ('image/width', [0], 'out of range'),
    ('image/height', [49], 'image/id_maps that are not gray PNGs of 16 bits and of its size'),
    ('image/id_maps', [OTHER_SIZE], 'of its size'),
    ('image/id_maps', [MAP, OTHER_SIZE], 'of its size'),
    ('image/id_maps', [EIGHT_BITS], 'of 16 bits'),
    ('image/id_maps', [b''], 'not gray PNGs'),
    ('image/id_maps', [MAP] * 4, 'more id maps than segments'),
    ('image/id_maps', [], 'neither image/id_maps nor'),
    ('image/id_maps', [TOO_HIGH], 'ids in its id maps that have no segment'),
    ('image/id_maps', [MAP[:40]], 'PNG'),
    ('image/void', [OTHER_SIZE], 'an image/void that is not'),
    ('image/encoded', [b''], 'neither JPEG nor PNG'),
    ('image/encoded', [hostile.png_bomb(60000, 60000)], 'more than 268435456 pixels'),
    ('image/encoded', [hostile.jpeg_bomb()], 'more than 268435456 pixels'),
    ('image/encoded', [hostile.png_bomb(48, 65)], 'another size than image/height'),
    ('image/height', None, 'image/height'),
    ('image/encoded', None, 'image/encoded')])
def test_what_is_refused(key, values, words):
  record = changed('coco_panoptic', **{key.replace('/', '__'): values})
  assert words in refusal('coco_panoptic', record)


@pytest.mark.parametrize('key, values, words', [
    ('polygons/segment', [0, 0, 3], 'polygons that have no segment'),
    ('polygons/segment', [0, 0], 'one polygons/corners per polygon'),
    ('polygons/corners', [3, 3, 4], 'not those of its polygons/corners'),
    ('polygons/corners', [2, 3, 4], 'not those of its polygons/corners'),
    ('polygons/corners', [2**62, 2**62, 9 - 2**63], 'not those of its polygons/corners'),
    ('polygons/coordinates', [b'1234567'], 'not those of its polygons/corners')])
def test_polygons_that_do_not_fit(key, values, words):
  record = changed('coco_instance', **{key.replace('/', '__'): values})
  assert words in refusal('coco_instance', record)


@pytest.mark.parametrize('value, words', [
    (float('nan'), 'not within 131072 pixels'), (float('inf'), 'not within'),
    (-1e300, 'not within'), (2.0**17 + 1, 'not within')])
def test_coordinates_that_cannot_be_drawn(value, words):
  corners = np.full([9, 2], 5.0)
  corners[4, 1] = value
  record = changed('coco_instance', polygons__coordinates=[corners.tobytes()])
  assert words in refusal('coco_instance', record)


def test_outlines_of_any_number_but_not_of_any_length():
  number = 400
  corners = np.tile([[0.0, 0.0], [100000.0, 0.0], [0.0, 3.0]], [number, 1])
  features = {
      'polygons__coordinates': [corners.tobytes()], 'polygons__corners': [3] * number,
      'polygons__segment': [0] * number}
  assert 'outlines longer than' in refusal('coco_instance', changed('coco_instance', **features))
  # From one polygon to the next it may be far.
  near = np.repeat(np.tile([[0.0, 0.0], [100000.0, 5.0]], [number // 2, 1]), 3, axis=0)
  features['polygons__coordinates'] = [near.tobytes()]
  decoder.function('coco_instance')(changed('coco_instance', **features))


@pytest.mark.parametrize('size, maps', [((2**14, 2**14 + 1), 1), ((2**13, 2**13), 9)])
def test_what_would_be_refused_is_not_written(size, maps):
  with pytest.raises(UnusableImage, match='the most of a record'):
    schema.write(b'', 'png', size, 'a', 'a.png', [MAP] * maps, [])


def test_other_types_and_what_is_no_example():
  example = tf.train.Example.FromString(records.good_record('coco_panoptic', 0))
  example.features.feature['segments/class'].bytes_list.value[:] = [b'1']
  assert 'segments/class' in refusal('coco_panoptic', example.SerializeToString())
  for garbage in (b'\xff\xfe\xfd', b'\x00', b'garbage'):
    assert 'not a tf.train.Example' in refusal('coco_panoptic', garbage)


@pytest.mark.parametrize('length', [4, 2**31 - 1, 2**31, 2**32 - 5])
def test_lengths_that_would_end_the_process(length):
  lying = hostile.lying_example(length)
  for record in (lying, b'\x0a\x00' + lying, lying + b'\x0a\x00'):
    assert 'not a tf.train.Example' in refusal('coco_panoptic', record)


def test_messages_of_names_that_are_not_text():
  record = changed('coco_panoptic', image__source_id=[b'\xff\xfe\n\x1b[31m' + b'x' * 10**6],
                   segments__class=[-1, 3, 5])
  text = refusal('coco_panoptic', record)
  assert text.isprintable() and len(text) < 300 and text.endswith('outside 0 to 132')


def test_a_record_without_an_id_is_known_by_its_file_name():
  named = decoder.function('coco_panoptic')(changed('coco_panoptic', image__source_id=None))
  assert named['source_id'] == b'0.jpg'
