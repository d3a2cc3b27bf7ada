"""The embedded data set is a function of its seed, and what it says of an image is true."""

import json

import numpy as np
import pytest
from PIL import Image

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders.preparation import drawn_shapes
from tf_maskformer.dataloaders.preparation import shapes
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import make_shapes


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


@pytest.mark.parametrize('flags, message', [
    ('--size=0', '--size 0 is too small'), ('--size=100000', '--size 100000 is too large'),
    ('--seed=-1', '--seed -1 is too small'), ('--train=-3', '--train -3 is too small'),
    ('--validation=-1', '--validation -1'), ('--train=1000000', '--train 1000000 is too large')])
def test_options_that_nothing_can_be_drawn_with(tmp_path, flags, message):
  with pytest.raises(UserError, match=message):
    make_shapes.main([f'--output={tmp_path}/drawn', flags])
  assert not list(tmp_path.iterdir())


def _content(folder):
  return {path.name: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@pytest.mark.parametrize('name, damage', [
    ('annotations/panoptic_val2017.json', lambda data: data[:100]),
    ('annotations/panoptic_val2017.json', lambda data: b''),
    ('annotations/panoptic_val2017.json', lambda data: b'[]'),
    ('annotations/panoptic_val2017.json', lambda data: b'\xff'),
    ('annotations/panoptic_val2017.json', lambda data: b'[' * 10**5),
    ('annotations/panoptic_val2017.json', lambda data: data.replace(b'"file_name"', b'"f"')),
    ('val2017/000001000000.jpg', lambda data: data[:-1]),
    ('annotations/panoptic_val2017/000001000001.png', lambda data: data[:-1])])
def test_what_is_damaged_is_drawn_again(tmp_path, capsys, name, damage):
  flags = [f'--output={tmp_path}', '--train=1', '--validation=2', '--size=32']
  make_shapes.main(flags)
  good = _content(tmp_path)
  (tmp_path / name).write_bytes(damage(good[(tmp_path / name).name]))
  (tmp_path / 'val2017/.part-a.jpg').touch()
  make_shapes.main(flags)
  assert _content(tmp_path) == good
  assert 'val2017 is drawn again' in capsys.readouterr().out
