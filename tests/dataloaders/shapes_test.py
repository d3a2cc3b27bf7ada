"""The embedded data set is a function of its seed, and what it says of an image is true."""

import json

import numpy as np
import pytest
from PIL import Image

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders.preparation import drawn_shapes
from tf_maskformer.dataloaders.preparation import shapes


@pytest.mark.parametrize('size', [48, 128])
def test_segments_do_not_overlap_and_are_large_enough(size):
  for seed in range(20):
    image, segments = drawn_shapes.draw(np.random.default_rng(seed), size)
    assert image.dtype == np.uint8 and max(image.shape[:2]) == size
    covered = np.sum([s.mask for s in segments], axis=0)
    assert covered.max() == 1
    assert min(s.mask.sum() for s in segments) >= (0.03 * size)**2


def test_all_classes_crowds_and_void_occur():
  classes, crowds, void = set(), 0, 0
  for seed in range(150):
    _, segments = drawn_shapes.draw(np.random.default_rng(seed), 64)
    classes |= {s.class_id for s in segments}
    crowds += sum(s.is_crowd for s in segments)
    void += not np.any([s.mask for s in segments], axis=0).all()
  assert classes == set(range(catalog.get('shapes_panoptic').num_classes))
  assert crowds > 3 and void > 10


def test_same_seed_same_files_other_seed_others(tmp_path):
  for name, seed in (('a', 1), ('b', 1), ('c', 2)):
    shapes.write(str(tmp_path / name), shapes.Options(train=2, validation=1, size=48, seed=seed))

  def read(name):
    paths = sorted((tmp_path / name).rglob('*'))
    return [path.read_bytes() for path in paths if path.suffix in ('.jpg', '.png')]

  assert read('a') == read('b') != read('c')


def test_json_says_what_the_png_holds(tmp_path):
  shapes.write(str(tmp_path), shapes.Options(train=3, validation=1, size=48))
  content = json.loads((tmp_path / 'annotations/panoptic_train2017.json').read_text())
  for row in content['annotations']:
    png = Image.open(tmp_path / 'annotations/panoptic_train2017' / row['file_name'])
    rgb = np.asarray(png).astype(int)
    ids = rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]
    assert {s['id'] for s in row['segments_info']} == set(np.unique(ids)) - {0}
    for segment in row['segments_info']:
      rows, columns = np.nonzero(ids == segment['id'])
      assert segment['area'] == len(rows)
      assert segment['bbox'] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
