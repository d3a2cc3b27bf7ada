"""Polygon targets are what pycocotools makes of the corners, moved as detectron2 moves them."""

import json

import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as mask_tools

from tests.dataloaders import official_polygons
from tests.dataloaders import small_coco
from tf_maskformer.configs.data import Augmentation
from tf_maskformer.configs.data import ParserConfig
from tf_maskformer.dataloaders import augment
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders import parser
from tf_maskformer.dataloaders import polygons
from tf_maskformer.dataloaders.preparation import coco_instances

SIZE = 120, 170
AUGMENTATIONS = {
    'scale jitter': dict(
        output_size=[128, 128], augmentation=Augmentation(scale_jitter=[0.1, 2.0])),
    'short edge and crop': dict(
        output_size=[96, 96],
        augmentation=Augmentation(short_edges=[96, 130, 200], crop_to_output=True)),
    'nothing': dict(augmentation=Augmentation(flip_probability=0.0)),
}


TWICE_RESIZED = dict(augmentation=Augmentation(
    crop_probability=1.0, crop_pre_short_edges=[80, 100], crop_side_range=[50, 70],
    short_edges=[90, 140], long_edge_limit=300))


def config_of(name: str, **more) -> ParserConfig:
  return ParserConfig(**{'max_layers': 16, 'max_segments': 64, **AUGMENTATIONS[name], **more})


def placed(config: ParserConfig, size, seed):
  """What the augmentation does to an image of a size: its new size, and the placement."""
  blank = tf.zeros([*size, 3], tf.uint8), tf.zeros([*size, 1], tf.uint16)
  image, _, placement = augment.augment(
      augment.unmoved(*blank), config.augmentation, config.output_size, seed)
  return image.shape[:2], placement.numpy()


def parsed(record: bytes, config: ParserConfig, seed):
  return parser.parse(tf.constant(record), tf.constant(True), seed, config, 'coco_instance')[1]


def mask_of(targets, slot: int, seen) -> np.ndarray:
  id_map = targets['id_maps'][int(targets['plane'][slot])].numpy()
  assert not id_map[seen[0]:].any() and not id_map[:, seen[1]:].any()
  return id_map[:seen[0], :seen[1]] == slot + 1


def drawn_image(seed=0):
  rng = np.random.default_rng(seed)
  return official_polygons.annotations(rng, SIZE, [0.3, 1, 2, 4, 4, 8, 8, 15, 15, 30, 30, 60])


@pytest.mark.parametrize('name', AUGMENTATIONS)
def test_the_placement_says_where_the_pixels_went(name):
  config = config_of(name)
  rows, columns = np.mgrid[:SIZE[0], :SIZE[1]]
  where = tf.constant(np.stack([rows, columns], axis=2).astype(np.int32))
  mirrored = set()
  for k in range(12):
    _, maps, placement = augment.augment(
        augment.unmoved(tf.zeros([*SIZE, 3], tf.uint8), where),
        config.augmentation, config.output_size, tf.constant([3, k]))
    for axis in (0, 1):
      factor, shift = placement[axis].numpy()
      source = (np.arange(maps.shape[axis]) + 0.5 - shift) / factor
      found = maps[:, 0, 0].numpy() if axis == 0 else maps[0, :, 1].numpy()
      # Centers between two pixels may go either way.
      clear = np.abs(source - np.round(source)) > 1e-3
      np.testing.assert_array_equal(found[clear], np.floor(source[clear]))
      assert clear.mean() > 0.4
    mirrored.add(bool(placement[1, 0] < 0))
  assert mirrored == ({False} if name == 'nothing' else {False, True})


def test_the_placement_after_a_crop_between_two_resizes():
  config = ParserConfig(**TWICE_RESIZED)
  rows, columns = np.mgrid[:SIZE[0], :SIZE[1]]
  where = tf.constant(np.stack([rows, columns], axis=2).astype(np.int32))
  for k in range(12):
    _, maps, placement = augment.augment(
        augment.unmoved(tf.zeros([*SIZE, 3], tf.uint8), where),
        config.augmentation, [], tf.constant([3, k]))
    for axis, found in ((0, maps[:, 0, 0].numpy()), (1, maps[0, :, 1].numpy())):
      factor, shift = placement[axis].numpy()
      source = (np.arange(len(found)) + 0.5 - shift) / factor
      # The first nearest pixel is half a pixel of the middle size away at most, the second half a
      # source pixel.
      assert np.abs(found + 0.5 - source).max() <= 0.5 * SIZE[0] / 80 + 0.5


@pytest.mark.parametrize('name', AUGMENTATIONS)
def test_targets_are_the_official_ones_to_the_pixel(name, tmp_path):
  config, instances = config_of(name), drawn_image()
  record = official_polygons.record(tmp_path, instances, SIZE)
  compared = 0
  for k in range(8):
    seed = tf.constant([11, k])
    seen, placement = placed(config, SIZE, seed)
    targets = parsed(record, config, seed)
    wanted = official_polygons.masks(instances, SIZE, placement, seen)
    assert targets['valid'].numpy().sum() == len(instances)
    for slot, mask in enumerate(wanted):
      np.testing.assert_array_equal(mask_of(targets, slot, seen), mask)
      compared += mask.any()
  assert compared > 40


@pytest.mark.parametrize('kind', ['drawn', 'real'])
def test_annotations_with_polygons_run_lengths_and_crowds(kind, tmp_path):
  root = small_coco.folder(kind, tmp_path / 'coco')
  source = coco_instances.coco_splits(str(root), 'coco_instance')['val']
  config = config_of('scale jitter', output_size=[512, 512])
  old = config_of('scale jitter', output_size=[512, 512], redraw_polygons=False)
  outlined = pixels = 0
  for row in source.rows():
    record, size = source.convert_image(row)[0], (row['height'], row['width'])
    for k in range(3):
      seed = tf.constant([5, k])
      seen, placement = placed(config, size, seed)
      new_targets, old_targets = parsed(record, config, seed), parsed(record, old, seed)
      instances = [i for i in row['instances'] if not i['iscrowd']]
      assert new_targets['valid'].numpy().sum() == len(instances)
      np.testing.assert_array_equal(new_targets['classes'], old_targets['classes'])
      for slot, instance in enumerate(instances):
        found = mask_of(new_targets, slot, seen)
        if isinstance(instance['segmentation'], list):
          wanted, = official_polygons.masks([instance], size, placement, seen)
          outlined += wanted.any()
        else:
          wanted = mask_of(old_targets, slot, seen)
          pixels += wanted.any()
        np.testing.assert_array_equal(found, wanted)
  assert outlined > {'drawn': 50, 'real': 5}[kind]
  assert pixels > {'drawn': 20, 'real': 50}[kind]


def test_without_augmentation_a_target_is_the_mask_of_the_annotation(tmp_path):
  config, instances = config_of('nothing'), drawn_image(1)
  targets = parsed(official_polygons.record(tmp_path, instances, SIZE), config, tf.constant([0, 0]))
  for slot, instance in enumerate(instances):
    np.testing.assert_array_equal(
        mask_of(targets, slot, SIZE), instance_masks.rasterize(instance, SIZE, ''))


def test_records_without_polygons_are_read_as_before(tmp_path):
  record = tf.train.Example.FromString(official_polygons.record(tmp_path, drawn_image(), SIZE))
  whole = record.SerializeToString()
  for name in [name for name in record.features.feature if name.startswith('polygons/')]:
    del record.features.feature[name]
  old_config = config_of('scale jitter', redraw_polygons=False)
  differ = 0
  for k in range(4):
    seed = tf.constant([2, k])
    old = parsed(whole, old_config, seed)
    stripped = parsed(record.SerializeToString(), config_of('scale jitter'), seed)
    for name, values in old.items():
      np.testing.assert_array_equal(stripped[name], values)
    redrawn = parsed(whole, config_of('scale jitter'), seed)
    differ += (redrawn['id_maps'].numpy() != old['id_maps'].numpy()).any()
  assert differ


def test_a_semantic_task_merges_the_id_maps_of_records_with_polygons(tmp_path):
  record = official_polygons.record(tmp_path, drawn_image(), SIZE)
  config = config_of('nothing', merge_classes=True)
  targets = parsed(record, config, tf.constant([0, 0]))
  np.testing.assert_array_equal(targets['classes'][:5], range(5))
  decoded = decoder.decode(tf.constant(record), 'coco_instance')
  class_of = np.append(decoded['class'].numpy(), -1)
  wanted = class_of[decoded['id_maps'].numpy().max(axis=2).astype(int) - 1]
  for slot in range(5):
    np.testing.assert_array_equal(mask_of(targets, slot, SIZE), wanted == slot)


@pytest.mark.parametrize('changes, calls', [
    ({}, True), ({'max_layers': 1}, False), ({'redraw_polygons': False}, False),
    ({'merge_classes': True}, False)])
def test_only_instances_call_python(changes, calls):
  config = config_of('scale jitter', **changes)
  step = tf.function(lambda record: parser.parse(
      record, tf.constant(True), tf.constant([0, 0]), config, 'coco_instance'), autograph=False)
  graph = step.get_concrete_function(tf.TensorSpec([], tf.string)).graph.as_graph_def()
  nodes = list(graph.node)
  for function in graph.library.function:
    nodes += function.node_def
  assert any('PyFunc' in node.op for node in nodes) == calls


def test_crowds_are_no_targets_and_their_polygons_are_not_kept(tmp_path):
  instances = drawn_image()
  for crowd in (instances[3], instances[9]):
    crowd['iscrowd'] = 1
  record = official_polygons.record(tmp_path, instances, SIZE)
  kept = decoder.decode(tf.constant(record), 'coco_instance')['polygons']['segment'].numpy()
  assert set(kept.tolist()) == set(range(12)) - {3, 9}
  targets = parsed(record, config_of('nothing'), tf.constant([0, 0]))
  things = [i for i in instances if not i['iscrowd']]
  assert targets['valid'].numpy().sum() == 10
  for slot, instance in enumerate(things):
    np.testing.assert_array_equal(
        mask_of(targets, slot, SIZE), instance_masks.rasterize(instance, SIZE, ''))


def test_the_official_filter_drops_what_has_no_polygon_left(tmp_path):
  square = lambda x, y, side: [x, y, x + side, y, x + side, y + side, x, y + side]
  parts = {
      'whole': [square(10, 10, 20)], 'smaller than a pixel': [square(40.1, 40.1, 0.05)],
      'outside': [square(180, 10, 20)], 'touches the edge': [square(170, 10, 20)],
      'one of two parts is inside': [square(180, 10, 20), square(60.3, 60.3, 0.05)],
      'a line': [[5, 5, 9, 5, 7, 5]], 'no polygon': [[5, 5, 9, 9]]}
  instances = [{'id': k, 'category_id': 1, 'iscrowd': 0, 'area': 1, 'segmentation': p}
               for k, p in enumerate(parts.values())]
  record = official_polygons.record(tmp_path, instances, SIZE)
  targets = parsed(record, config_of('nothing', drop_vanished_segments=True), tf.constant([0, 0]))
  # With pixels, small, one of two parts.
  np.testing.assert_array_equal(targets['valid'].numpy().sum(), 3)
  assert [mask_of(targets, slot, SIZE).any() for slot in range(3)] == [True, False, False]
  kept = parsed(record, config_of('nothing'), tf.constant([0, 0]))
  assert kept['valid'].numpy().sum() == 7


@pytest.mark.parametrize('seed', range(5))
def test_no_more_of_the_image_than_a_polygon_reaches(seed):
  rng = np.random.default_rng(seed)
  for _ in range(40):
    center = rng.uniform(-30, SIZE[1] + 30), rng.uniform(-30, SIZE[0] + 30)
    blobs = [official_polygons.blob(rng, center, rng.uniform(0.2, 50)) for _ in range(2)]
    mask, (top, left) = polygons.rasterize([np.reshape(b, [-1, 2]) for b in blobs], SIZE)
    found = np.zeros(SIZE, bool)
    found[top:top + mask.shape[0], left:left + mask.shape[1]] = mask
    np.testing.assert_array_equal(
        found, mask_tools.decode(mask_tools.frPyObjects(blobs, *SIZE)).any(axis=2))


def test_polygons_pass_through_a_record_to_the_last_bit(tmp_path):
  instances = drawn_image(2)
  instances[0]['segmentation'][0][0] = 1 / 3
  instances[2]['segmentation'] = [instances[2]['segmentation'][0], [1.0, 2.0, 3.0, 4.0]]
  record = official_polygons.record(tmp_path, instances, SIZE)
  found = decoder.decode(tf.constant(record), 'coco_instance')['polygons']
  ends = np.cumsum(found['corners'])[:-1]
  read = [[] for _ in instances]
  for segment, part in zip(found['segment'].numpy(), np.split(found['coordinates'].numpy(), ends)):
    read[segment].append(part.ravel().tolist())
  wanted = [[p for p in i['segmentation'] if len(p) >= 6] for i in instances]
  assert json.dumps(read) == json.dumps(wanted)
