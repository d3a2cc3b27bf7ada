"""Records are counted and drawn; what cannot be used is named."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.dataloaders import official_polygons
from tf_maskformer.dataloaders.preparation import coco_panoptic
from tf_maskformer.dataloaders.preparation import shapes
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import inspect_records


@pytest.fixture(scope='module', name='records')
def make_records(tmp_path_factory):
  root, output = tmp_path_factory.mktemp('drawn'), tmp_path_factory.mktemp('records')
  shapes.write(str(root), shapes.Options(train=4, validation=2, size=64))
  source = coco_panoptic.coco_splits(str(root), 'shapes_panoptic')['train']
  shards.convert(source, str(output), 'train', 1, 1)
  return output


def flags(path, *more):
  return [f'--input={path}', '--data_set=shapes_panoptic', *more]


def test_counts_and_draws(records, tmp_path, capsys):
  inspect_records.main(flags(f'{records}/train*', f'--output={tmp_path}', '--num_images=3'))
  printed = capsys.readouterr().out
  assert '4 images' in printed and 'sky' in printed
  drawn = sorted(tmp_path.glob('*.png'))
  assert len(drawn) == 3 and Image.open(drawn[0]).size[0] >= 256


def test_names_an_image_that_does_not_decode_and_a_wrong_class(records, tmp_path):
  good = [r.numpy() for r in tf.data.TFRecordDataset(str(next(records.glob('*.tfrecord'))))]
  broken, strange = tf.train.Example.FromString(good[1]), tf.train.Example.FromString(good[2])
  broken.features.feature['image/encoded'].bytes_list.value[0] = b'no image'
  strange.features.feature['segments/class'].int64_list.value[0] = 99
  with tf.io.TFRecordWriter(str(tmp_path / 'bad')) as writer:
    for record in (good[0], broken.SerializeToString(), strange.SerializeToString()):
      writer.write(record)
  with pytest.raises(UserError) as error:
    inspect_records.main(flags(tmp_path / 'bad'))
  message = str(error.value)
  assert message.startswith('2 records cannot be used') and '\n' not in message
  assert f'record 1 of {tmp_path}/bad: the image is neither JPEG nor PNG' in message
  assert f'record 2 of {tmp_path}/bad: image 3 has a class outside 0 to 6' in message


def test_names_a_corrupt_record(records, tmp_path):
  data = bytearray(next(records.glob('*.tfrecord')).read_bytes())
  data[200] ^= 255
  (tmp_path / 'bad').write_bytes(data)
  with pytest.raises(UserError, match='record 0 of .* cannot be read .corrupted record'):
    inspect_records.main(flags(tmp_path / 'bad'))


def test_counts_polygons_and_names_those_of_no_segment(tmp_path, capsys):
  rng = np.random.default_rng(0)
  instances = official_polygons.annotations(rng, (60, 80), [8, 12, 20])
  instances[1]['iscrowd'] = 1
  good = official_polygons.record(tmp_path, instances, (60, 80))
  damaged = []
  for name, value in (('segment', 3), ('corners', 99)):
    example = tf.train.Example.FromString(good)
    example.features.feature[f'polygons/{name}'].int64_list.value[0] = value
    damaged.append(example.SerializeToString())
  with tf.io.TFRecordWriter(str(tmp_path / 'bad')) as writer:
    for record in (good, *damaged):
      writer.write(record)
  with pytest.raises(UserError, match='2 records .*record 1 .* polygons that have no segment'):
    inspect_records.main([f'--input={tmp_path}/bad', '--data_set=coco_instance'])
  printed = capsys.readouterr().out
  assert '3 segments, at most 3 in an image (median 3), 1 crowds, 2 with polygons' in printed
