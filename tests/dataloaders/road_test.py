"""From drawn images in COCO's layout to batches and back to the truth."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_maskformer.configs.data import Augmentation
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.data import ParserConfig
from tf_maskformer.dataloaders import augment
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders import reader
from tf_maskformer.dataloaders import targets as target_ops
from tf_maskformer.dataloaders.preparation import coco_panoptic
from tf_maskformer.dataloaders.preparation import shapes
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError

DATA_SET = 'shapes_panoptic'


@pytest.fixture(scope='module', name='drawn')
def draw(tmp_path_factory):
  root = tmp_path_factory.mktemp('drawn')
  assert shapes.write(str(root), shapes.Options(train=12, validation=5, size=64))
  return root


@pytest.fixture(scope='module', name='records')
def convert(drawn, tmp_path_factory):
  output = tmp_path_factory.mktemp('records')
  for split, source in coco_panoptic.coco_splits(str(drawn), DATA_SET).items():
    shards.convert(source, str(output), split, 3, 2)
  return output


def config(records, split, batch=4, **parser):
  parser = {'output_size': [64, 64], 'max_segments': 12,
            'augmentation': Augmentation(flip_probability=0.0), **parser}
  return DataConfig(
      input_path=f'{records}/{split}*', is_training=split == 'train', global_batch_size=batch,
      parser=ParserConfig(**parser))


def ids(dataset, batches=None):
  dataset = dataset if batches is None else dataset.take(batches)
  found = []
  for _, targets in dataset:
    found += targets['example_id'].numpy()[targets['is_real'].numpy()].tolist()
  return found


def test_drawing_twice_draws_nothing(drawn):
  assert not shapes.write(str(drawn), shapes.Options(train=12, validation=5, size=64))


def test_truth_is_what_the_png_says(drawn, records):
  truth = ground_truth.GroundTruth(f'{records}/val*', DATA_SET)
  content = json.loads((drawn / 'annotations/panoptic_val2017.json').read_text())
  by_source = {truth.source_id(i): i for i in truth.example_ids}
  assert len(truth) == 5
  for row in content['annotations']:
    png = Image.open(drawn / 'annotations/panoptic_val2017' / row['file_name'])
    ids_of_png = np.asarray(png).astype(int) @ [1, 256, 65536]
    id_map, segments = truth[by_source[str(row['image_id'])]]
    for segment, info in zip(segments, row['segments_info']):
      np.testing.assert_array_equal(id_map == segment['id'], ids_of_png == info['id'])
      assert (segment['category_id'] + 1, segment['iscrowd'], segment['area']) == (
          info['category_id'], info['iscrowd'], info['area'])
    np.testing.assert_array_equal(id_map == 0, ids_of_png == 0)


def test_batches_hold_the_segments_without_crowds(records):
  truth = ground_truth.GroundTruth(f'{records}/val*', DATA_SET)
  for features, targets in reader.build(config(records, 'val'), DATA_SET, seed=0):
    for b in np.flatnonzero(targets['is_real']):
      id_map, segments = truth[int(targets['example_id'][b])]
      things = [s for s in segments if not s['iscrowd']]
      height, width = targets['original_size'][b]
      np.testing.assert_array_equal(features['image_size'][b], [height, width])
      np.testing.assert_array_equal(targets['valid'][b], np.arange(12) < len(things))
      for slot, segment in enumerate(things):
        np.testing.assert_array_equal(
            targets['id_maps'][b, 0, :height, :width] == slot + 1, id_map == segment['id'])
        assert targets['classes'][b, slot] == segment['category_id']
      assert not targets['id_maps'][b, 0, height:].numpy().any()
      np.testing.assert_array_equal(
          features['image'][b, :height, :width], truth.image(int(targets['example_id'][b])))


def test_validation_has_every_image_once_in_whole_batches(records):
  truth = ground_truth.GroundTruth(f'{records}/val*', DATA_SET)
  for batch in (2, 4, 5, 8):
    dataset = reader.build(config(records, 'val', batch), DATA_SET, seed=0)
    assert sorted(ids(dataset)) == sorted(truth.example_ids)
    assert all(f['image'].shape[0] == batch for f, _ in dataset)


@pytest.mark.parametrize('replicas', [1, 2])
def test_validation_takes_one_image_per_replica(records, replicas):
  truth = ground_truth.GroundTruth(f'{records}/val*', DATA_SET)
  dataset = reader.build(config(records, 'val', 0, output_size=[]), DATA_SET, seed=0,
                         input_context=tf.distribute.InputContext(1, 0, replicas))
  assert all(f['image'].shape[0] == 1 for f, _ in dataset)
  assert sorted(ids(dataset)) == sorted(truth.example_ids)
  assert len(list(dataset)) == 5 + 5 % replicas  # full global batches
  with pytest.raises(UserError, match='global_batch_size=0 cannot be shared'):
    reader.build(config(records, 'train', 0), DATA_SET, seed=0)


def test_epochs_are_exact_and_training_resumes(records):
  tf.random.set_seed(0)
  params = config(records, 'train', 5)
  whole = ids(reader.build(params, DATA_SET, seed=3), 12)
  for epoch in range(5):
    assert len(set(whole[12 * epoch:12 * epoch + 12])) == 12
  assert whole[:12] != whole[12:24]
  assert ids(reader.build(params, DATA_SET, seed=3, start_step=7), 5) == whole[35:]
  assert ids(reader.build(params, DATA_SET, seed=4), 2) != whole[:10]


def test_augmentation_resumes_too(records):
  augmentation = Augmentation(flip_probability=0.5, short_edges=[40, 50, 60])
  params = config(records, 'train', 4, augmentation=augmentation, output_size=[])
  whole = [f['image'].numpy() for f, _ in reader.build(params, DATA_SET, seed=1).take(5)]
  resumed = reader.build(params, DATA_SET, seed=1, start_step=3).take(2)
  rest = [f['image'].numpy() for f, _ in resumed]
  for a, b in zip(whole[3:], rest):
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('pipelines, replicas, batch', [(2, 2, 4), (2, 4, 8), (5, 5, 5)])
def test_pipelines_share_each_batch_as_replicas_do(records, pipelines, replicas, batch):
  augmentation = Augmentation(flip_probability=0.5, short_edges=[40, 50, 60])
  params = config(records, 'train', batch, augmentation=augmentation, output_size=[])
  def batches(context):
    count = 3 * (replicas // context.num_input_pipelines)
    taken = reader.build(params, DATA_SET, 0, 2, context).take(count)
    return [(t['example_id'].numpy(), f['image'].numpy()) for f, t in taken]
  one = batches(tf.distribute.InputContext(1, 0, replicas))
  parts = [batches(tf.distribute.InputContext(pipelines, i, replicas)) for i in range(pipelines)]
  for step in range(3):
    each = replicas // pipelines
    found = [batch for part in parts for batch in part[step * each:(step + 1) * each]]
    wanted = one[step * replicas:(step + 1) * replicas]
    for (ids_found, images_found), (ids_wanted, images_wanted) in zip(found, wanted, strict=True):
      np.testing.assert_array_equal(ids_found, ids_wanted)
      np.testing.assert_array_equal(images_found, images_wanted)


def test_more_pipelines_than_records(records):
  context = tf.distribute.InputContext(13, 0, 13)
  with pytest.raises(UserError, match='holds 12 records, fewer than the 13 workers'):
    reader.build(config(records, 'train', 13), DATA_SET, 0, 0, context)


def test_finished_shards_are_kept_and_broken_ones_redone(drawn, records, tmp_path):
  output = tmp_path / 'copy'
  shutil.copytree(records, output)
  source = coco_panoptic.coco_splits(str(drawn), DATA_SET)['train']
  (output / 'train-00001-of-00003.tfrecord').unlink()
  report = shards.convert(source, str(output), 'train', 3, 1)
  assert (report.written, report.shards_kept) == (12, 2)
  for name in ('train-00000-of-00003.tfrecord', 'train-00001-of-00003.tfrecord'):
    assert (output / name).read_bytes() == (records / name).read_bytes()


def test_what_contradicts_the_json_is_refused_by_name(drawn, tmp_path):
  root = tmp_path / 'broken'
  shutil.copytree(drawn, root)
  path = root / 'annotations/panoptic_train2017.json'
  content = json.loads(path.read_text())
  rows = content['annotations']
  (root / 'train2017/000000000001.jpg').unlink()
  (root / 'train2017/000000000002.jpg').write_bytes(b'no image')
  content['images'][2]['height'] += 1
  rows[3]['segments_info'].pop()
  rows[4]['segments_info'][0]['category_id'] = 99
  path.write_text(json.dumps(content))
  source = coco_panoptic.coco_splits(str(root), DATA_SET)['train']
  report = shards.convert(source, str(tmp_path / 'out'), 'train', 2, 1)
  assert report.written == 7
  for name, words in (
      (1, 'does not exist'), (2, 'cannot be decoded'), (3, 'the JSON says'),
      (4, 'not in the JSON'), (5, 'category_id 99, which is not among')):
    assert words in report.refused[f'{name:012d}.jpg']
  assert json.loads((tmp_path / 'out/train.report.json').read_text())['written'] == 7


def test_bad_records_are_one_sentence(records, tmp_path):
  good = (records / 'val-00000-of-00003.tfrecord').read_bytes()
  (tmp_path / 'cut.tfrecord').write_bytes(good[:-7])
  (tmp_path / 'empty.tfrecord').write_bytes(b'')
  (tmp_path / 'corrupt.tfrecord').write_bytes(good[:40] + b'xxxx' + good[44:])
  for path, words in (
      ('', 'is empty'), (f'{tmp_path}/none*', 'matches no file'),
      (f'{tmp_path}/cut*', 'truncated'), (f'{tmp_path}/empty*', 'no record'),
      (f'{tmp_path}/corrupt*', 'cannot be read')):
    with pytest.raises(UserError, match=words):
      reader.preflight(DataConfig(input_path=path), DATA_SET, 7, 'task.train_data.input_path')
  with pytest.raises(UserError, match='model has classes 0 to 0'):
    reader.preflight(config(records, 'val'), DATA_SET, 1, 'x')
  with pytest.raises(UserError, match='cannot be shared by 2 replicas'):
    reader.build(config(records, 'train', 3), DATA_SET, 0, 0, tf.distribute.InputContext(1, 0, 2))


def test_model_garden_records(tmp_path):
  category, instance = np.zeros([6, 8], np.uint8), np.zeros([6, 8], np.uint8)
  category[:2], category[3, :3], instance[3, :3], category[3, 4:], instance[3, 4:] = 6, 1, 1, 1, 2
  png = lambda a: tf.io.encode_png(a[..., None]).numpy()
  feature = lambda v: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v]))
  number = lambda v: tf.train.Feature(int64_list=tf.train.Int64List(value=[v]))
  record = tf.train.Example(features=tf.train.Features(feature={
      'image/encoded': feature(tf.io.encode_png(np.zeros([6, 8, 3], np.uint8)).numpy()),
      'image/height': number(6), 'image/width': number(8), 'image/source_id': feature(b'7'),
      'image/panoptic/category_mask': feature(png(category)),
      'image/panoptic/instance_mask': feature(png(instance))}))
  with tf.io.TFRecordWriter(str(tmp_path / 'val.tfrecord')) as writer:
    writer.write(record.SerializeToString())
  truth = ground_truth.GroundTruth(f'{tmp_path}/val*', DATA_SET)
  id_map, segments = truth[truth.example_ids[0]]
  assert [s['category_id'] for s in segments] == [0, 0, 5]
  np.testing.assert_array_equal(id_map == 2, instance == 2)
  np.testing.assert_array_equal(id_map == 3, category == 6)


def test_image_and_ids_move_together():
  rng = np.random.default_rng(0)
  ids = np.kron(rng.integers(0, 5, [6, 7, 1]), np.ones([8, 8, 1], int)).astype(np.uint16)
  image = np.repeat(ids * 50, 3, axis=2).astype(np.uint8)  # the image shows its ids
  settings = Augmentation(flip_probability=0.5, crop_probability=0.5, crop_pre_short_edges=[40, 60],
                          crop_side_range=[30, 45], short_edges=[32, 48, 64], long_edge_limit=80)
  sample = augment.unmoved(tf.constant(image), tf.constant(ids))
  step = tf.function(lambda seed: augment.augment(sample, settings, [], seed))
  sizes = set()
  for i in range(12):
    moved, labels, _ = step(tf.constant([i, 1]))
    same = np.abs(moved.numpy()[..., 0].astype(int) - 50 * labels.numpy()[..., 0]) < 60
    assert same.mean() > 0.9 and moved.shape[:2] == labels.shape[:2] and max(moved.shape) <= 80
    sizes.add(tuple(moved.shape))
  assert len(sizes) > 4


def test_resize_is_pillows():
  image = np.random.default_rng(0).integers(0, 256, [40, 52, 3]).astype(np.uint8)
  for size in ((17, 23), (80, 104), (61, 30)):
    sample = augment.unmoved(tf.constant(image), tf.constant(image[..., :1]))
    found, labels, _ = augment.resize(sample, tf.constant(size))
    wanted = Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR)
    # Mixed: Pillow antialiases each axis for itself, as does the result.
    if size != (61, 30):
      assert np.abs(found.numpy().astype(int) - np.asarray(wanted).astype(int)).max() <= 1
    rows = (np.arange(size[0]) + 0.5) * 40 // size[0]
    columns = (np.arange(size[1]) + 0.5) * 52 // size[1]
    wanted = image[rows.astype(int)][:, columns.astype(int), 0]
    np.testing.assert_array_equal(labels[..., 0], wanted)


@pytest.mark.parametrize('size, short, limit, wanted', [
    ((480, 640), 800, 1333, (800, 1067)), ((427, 640), 800, 1333, (800, 1199)),
    ((333, 1000), 800, 1333, (444, 1333)), ((640, 480), 480, 0, (640, 480))])
def test_shortest_edge(size, short, limit, wanted):
  found = augment.shortest_edge_size(tf.constant(size), tf.constant(short), limit)
  np.testing.assert_array_equal(found, wanted)


def test_slots_smallest_left_out_vanished_and_crowds():
  id_map = np.array([[1, 1, 1, 2, 2, 4, 5, 5, 5, 5]])[..., None]
  is_crowd = tf.constant([False, False, False, False, True])
  arguments = [tf.constant(id_map), tf.constant([5, 6, 7, 8, 9]), is_crowd,
               tf.zeros([5], tf.int32), tf.constant([30, 20, 50, 10, 99])]
  keep = target_ops.build(*arguments, ParserConfig(max_segments=3))
  np.testing.assert_array_equal(keep['id_maps'][0, 0], [1, 1, 1, 2, 2, 3, 0, 0, 0, 0])
  # The vanished third is left out first, though it is the largest.
  np.testing.assert_array_equal(keep['classes'], [5, 6, 8])
  assert keep['dropped_segments'] == 1
  fewer = target_ops.build(*arguments, ParserConfig(max_segments=2))
  np.testing.assert_array_equal(fewer['classes'], [5, 6])  # then the smallest
  room = target_ops.build(*arguments, ParserConfig(max_segments=4))
  np.testing.assert_array_equal(room['classes'], [5, 6, 7, 8])
  drop = target_ops.build(*arguments, ParserConfig(max_segments=4, drop_vanished_segments=True))
  np.testing.assert_array_equal(drop['id_maps'][0, 0], [1, 1, 1, 2, 2, 3, 0, 0, 0, 0])
  np.testing.assert_array_equal(drop['classes'], [5, 6, 8, 0])
  np.testing.assert_array_equal(drop['valid'], [True, True, True, False])


def test_segments_of_too_many_planes_are_counted_and_the_others_stay():
  id_maps = np.array([[[1, 2, 3], [1, 0, 3], [0, 2, 0]]])
  arguments = [tf.constant(id_maps), tf.constant([5, 6, 7]), tf.constant([False] * 3),
               tf.constant([0, 1, 2]), tf.constant([20, 20, 20])]
  two = target_ops.build(*arguments, ParserConfig(max_segments=4, max_layers=2))
  np.testing.assert_array_equal(two['id_maps'][:, 0], [[1, 1, 0], [2, 0, 2]])
  np.testing.assert_array_equal(two['classes'], [5, 6, 0, 0])
  np.testing.assert_array_equal(two['valid'], [True, True, False, False])
  assert two['dropped_segments'] == 1
  four = target_ops.build(*arguments, ParserConfig(max_segments=4, max_layers=4))
  np.testing.assert_array_equal(four['id_maps'][:, 0], [[1, 1, 0], [2, 0, 2], [3, 3, 0], [0, 0, 0]])
  assert four['dropped_segments'] == 0


def test_a_semantic_task_learns_the_classes_of_panoptic_records(records):
  truth, crowds = ground_truth.GroundTruth(f'{records}/train*', DATA_SET), 0
  batches = reader.build(config(records, 'train', merge_classes=True), DATA_SET, seed=0)
  for _, targets in batches.take(3):
    for k, example_id in enumerate(targets['example_id'].numpy()):
      id_map, segments = truth[int(example_id)]
      # Crowds have a class too.
      wanted = np.array([-1] + [s['category_id'] for s in segments])[id_map]
      crowds += sum(s['iscrowd'] for s in segments)
      classes = targets['classes'][k].numpy()[targets['valid'][k].numpy()]
      np.testing.assert_array_equal(classes, np.unique(wanted[wanted >= 0]))
      found = targets['id_maps'][k, 0].numpy().astype(int)[:wanted.shape[0], :wanted.shape[1]]
      np.testing.assert_array_equal(np.append(classes, -1)[found - 1], wanted)
  assert crowds
