"""Resizing of id maps by both rules, and the padding of images, against their definitions."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.configs.data import Augmentation
from tf_maskformer.configs.data import ParserConfig
from tf_maskformer.configs.experiments import recipes
from tf_maskformer.dataloaders import augment
from tf_maskformer.dataloaders import parser
from tf_maskformer.dataloaders import schema


@pytest.mark.parametrize(
    'old, new', [(512, 256), (427, 640), (100, 49), (49, 100), (333, 512), (7, 7)])
def test_legacy_nearest_is_pytorchs_index(old, new):
  maps = tf.reshape(tf.range(old * 3), [old, 3, 1])
  image = tf.zeros([old, 3, 3], tf.uint8)
  sample = augment.unmoved(image, maps)
  found = augment.resize(sample, tf.constant([new, 3]), legacy_nearest=True).id_maps
  index = np.minimum(np.floor(np.arange(new) * (old / new)).astype(int), old - 1)
  np.testing.assert_array_equal(found[:, 0, 0], 3 * index)
  half_pixel = augment.resize(sample, tf.constant([new, 3])).id_maps
  center = np.floor((np.arange(new) + 0.5) * old / new).astype(int)
  assert np.abs(half_pixel[:, 0, 0].numpy() // 3 - center).max() <= 1
  if (old, new) == (512, 256):  # every label moves by one
    np.testing.assert_array_equal(half_pixel[:, 0, 0] - found[:, 0, 0], np.full(new, 3))


def test_the_crop_road_flips_last():
  maps = tf.constant([[[0], [1], [2], [3]]] * 4)
  config = Augmentation(
      short_edges=[2], flip_probability=1.0, crop_to_output=True, legacy_nearest=True)
  sample = augment.unmoved(tf.zeros([4, 4, 3], tf.uint8), maps)
  found = augment.augment(sample, config, [2, 2], tf.constant([1, 2])).id_maps
  np.testing.assert_array_equal(found[0, :, 0], [2, 0])  # [0, 2], mirrored


def test_legacy_nearest_against_pytorch():
  torch = pytest.importorskip('torch')
  for old, new in ((427, 640), (640, 427), (333, 921), (480, 359)):
    labels = np.arange(old, dtype=np.float64)
    column = torch.tensor(labels)[None, None, :, None]
    wanted = torch.nn.functional.interpolate(column, size=(new, 1))[0, 0, :, 0]
    sample = augment.unmoved(
        tf.zeros([old, 1, 3], tf.uint8), tf.cast(labels, tf.int32)[:, None, None])
    found = augment.resize(sample, tf.constant([new, 1]), True).id_maps
    np.testing.assert_array_equal(found[:, 0, 0], wanted.numpy().astype(int))


def parsed(byte):
  rng = np.random.default_rng(0)
  image = rng.integers(0, 256, [20, 30, 3]).astype(np.uint8)
  id_map = np.ones([20, 30], int)
  record = schema.write(tf.io.encode_png(image).numpy(), 'png', (20, 30), '1', '1.png', [id_map],
                        [schema.Segment(2, False, 0, 600, 1)])
  config = ParserConfig(
      output_size=[24, 40], padding_byte=byte, max_segments=4,
      augmentation=Augmentation(flip_probability=0.0))
  features, targets = parser.parse(
      tf.constant(record), tf.constant(True), tf.constant([0, 0]), config, 'shapes_panoptic')
  return image, features, targets


@pytest.mark.parametrize('byte, size', [(128, (24, 40)), (0, (24, 40)), (-1, (20, 30))])
def test_padding(byte, size):
  image, features, targets = parsed(byte)
  padded = features['image'].numpy()
  np.testing.assert_array_equal(padded[:20, :30], image)
  assert (padded[20:] == max(byte, 0)).all() and (padded[:, 30:] == max(byte, 0)).all()
  # Gray padding is normalized as part of the image; without it, the padding becomes zero later.
  assert tuple(features['image_size'].numpy()) == size
  assert not targets['id_maps'][0, 20:].numpy().any()
  assert targets['id_maps'][0, :20, :30].numpy().all()


@pytest.mark.parametrize('size, wanted', [
    ((1, 6000), (1, 1333)), ((6000, 1), (1333, 1)), ((1, 1), (800, 800)), ((1, 600), (2, 1333)),
    ((3, 4000), (1, 1333)), ((480, 640), (800, 1067))])
def test_no_side_becomes_zero(size, wanted):
  found = augment.shortest_edge_size(tf.constant(size), tf.constant(800), 1333)
  assert tuple(found.numpy()) == wanted


def formerly(size, short_edge, long_edge_limit):
  """The size with a choice between the scaled and the limited one, as detectron2 has it."""
  exact = size.astype(np.float64)
  exact = exact * (short_edge / exact.min(axis=0))
  if long_edge_limit:
    longest = exact.max(axis=0)
    exact = np.where(longest > long_edge_limit, exact * (long_edge_limit / longest), exact)
  return np.maximum((exact + 0.5).astype(np.int32), 1)


# pylint: disable=protected-access
RECIPES = [recipe for group in recipes._RECIPES.values() for recipe in group.values()]
TEST_EDGES = sorted({recipe.test_edges for recipe in RECIPES})
TRAINING_EDGES = sorted({
    (short, recipe.long_edge_limit) for recipe in RECIPES for short in recipe.short_edges})


def assert_as_formerly(sides, short_edge, limit):
  """Compares all pairs of these sides."""
  size = np.stack(np.meshgrid(sides, sides)).reshape(2, -1)
  found = augment.shortest_edge_size(tf.constant(size), tf.constant(short_edge), limit)
  np.testing.assert_array_equal(found, formerly(size, short_edge, limit))


@pytest.mark.parametrize('short_edge, limit', [*TEST_EDGES, (800, 0), (96, 128)])
def test_no_size_differs_from_a_choice(short_edge, limit):
  assert_as_formerly(np.arange(32, 2001, dtype=np.int32), short_edge, limit)


def test_no_size_differs_in_training():
  sides = np.arange(32, 2001, 13, dtype=np.int32)
  for short_edge, limit in TRAINING_EDGES:
    assert_as_formerly(sides, short_edge, limit)
