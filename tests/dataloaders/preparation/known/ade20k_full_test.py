"""ADE20K full: shrunk as OpenCV shrinks, which MaskFormer's preparation uses."""

import io

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_maskformer.dataloaders import record_files
from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.dataloaders.preparation.known import ade20k_full
from tf_maskformer.scripts import prepare_data

WALL, FLAG_OF_NONE = 2978, 3179  # objects of the release; class 0, and none


@pytest.mark.parametrize('channels', [(), (3,)])
def test_images_as_opencv(channels):
  pixels = np.random.default_rng(0).integers(0, 256, [61, 97, *channels], np.uint8)
  for size in ((32, 51), (45, 97), (60, 60)):
    wanted = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_LINEAR).astype(int)
    found = ade20k_full.shrunk(pixels, size).astype(int)
    assert found.shape == (*size, *channels)
    assert abs(found - wanted).max() <= 1


def test_labels_as_opencv():
  labels = np.random.default_rng(0).integers(0, 3000, [61, 97]).astype(np.int32)
  for size in ((32, 51), (45, 97), (60, 60), (17, 23)):
    wanted = cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(ade20k_full.nearest(labels, size), wanted)


@pytest.mark.parametrize('size, stored', [
    ((520, 1000), (512, 985)), ((700, 521), (688, 512)), ((512, 900), (512, 900)),
    ((600, 600), (512, 512)), ((300, 1900), (300, 1900))])
def test_the_size_that_is_stored(size, stored, tmp_path):
  folder = tmp_path / 'images/ADE/validation/street'
  folder.mkdir(parents=True)
  objects = np.full(size, WALL)
  objects[:, :size[1] // 2] = FLAG_OF_NONE
  colors = np.stack([objects // 256 * 10 + 9, objects % 256, 0 * objects], -1)
  Image.fromarray(colors.astype(np.uint8)).save(folder / 'a_seg.png')
  pixels = cv2.GaussianBlur(
      np.random.default_rng(0).integers(0, 256, [*size, 3], np.uint8), (0, 0), 9)
  Image.fromarray(pixels).save(folder / 'a.jpg', quality=95)
  prepare_data.main(['ade20k_full', f'--root={tmp_path}', f'--output={tmp_path}/records',
                     '--split=val', '--workers=1'])
  truth = GroundTruth(f'{tmp_path}/records/val*', 'ade20k_full')
  example_id, = truth.example_ids
  id_map, segments = truth[example_id]
  assert id_map.shape == stored
  assert [s['category_id'] for s in segments] == [0]
  edge = stored[1] * (size[1] // 2) / size[1]
  assert abs(np.flatnonzero(id_map[0])[0] - edge) <= 1
  offset, = record_files.record_offsets(record_files.match(f'{tmp_path}/records/val*'))
  features = tf.train.Example.FromString(record_files.read(offset)).features.feature
  assert features['image/format'].bytes_list.value == [b'jpeg']
  official = io.BytesIO()
  read = np.asarray(Image.open(folder / 'a.jpg'))
  if size != stored:
    read = cv2.resize(read, stored[::-1], interpolation=cv2.INTER_LINEAR)
  Image.fromarray(read).save(official, 'JPEG')
  wanted = np.asarray(Image.open(official)).astype(int)
  assert abs(truth.image(example_id).astype(int) - wanted).mean() < 1
