"""Semantic labels to records and back, by each data set's rule, and what is refused."""

import os
import re

import numpy as np
import pytest
from PIL import Image

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders.preparation import semantic
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import prepare_data


def draw(folder, name, label, size=(30, 40), exif=None):
  rng = np.random.default_rng(0)
  (folder / 'images' / name).parent.mkdir(parents=True, exist_ok=True)
  (folder / 'labels' / name).parent.mkdir(parents=True, exist_ok=True)
  options = {'exif': exif} if exif else {}
  pixels = rng.integers(0, 256, [*size, 3]).astype(np.uint8)
  Image.fromarray(pixels).save(folder / 'images' / f'{name}.jpg', **options)
  Image.fromarray(label).save(folder / 'labels' / f'{name}.png')


def convert(folder, data_set):
  source = semantic.SemanticFolders(str(folder / 'images'), str(folder / 'labels'), data_set)
  report = shards.convert(source, str(folder / 'records'), 'val', 2, 1)
  return report, ground_truth.GroundTruth(f'{folder}/records/val*', data_set)


def labels_of(truth, example_id):
  id_map, segments = truth[example_id]
  return np.array([-1] + [s['category_id'] for s in segments])[id_map], segments


@pytest.mark.parametrize('data_set, values, classes', [
    ('ade20k', [0, 1, 2, 150], [-1, 0, 1, 149]),
    ('ade20k_full', [0, 846, 300, 65535], [0, 846, 300, -1]),
    ('cityscapes', [0, 7, 8, 33, 255], [-1, 0, 1, 18, -1]),
    ('coco_stuff10k', [0, 170, 255], [0, 170, -1]),
    ('mapillary', [0, 64, 65], [0, 64, -1])])
def test_every_rule(tmp_path, data_set, values, classes):
  rng = np.random.default_rng(1)
  index = rng.integers(0, len(values), [30, 40])
  label = np.array(values)[index].astype(np.uint16 if max(values) > 255 else np.uint8)
  draw(tmp_path, 'city/a', label)
  report, truth = convert(tmp_path, data_set)
  assert report.written == 1 and not report.refused and not report.remarks
  found, segments = labels_of(truth, truth.example_ids[0])
  np.testing.assert_array_equal(found, np.array(classes)[index])
  assert truth.source_id(truth.example_ids[0]) == 'city/a'
  assert all(s['area'] == (found == s['category_id']).sum() for s in segments)


def test_every_class_of_every_data_set_has_a_label():
  for name in catalog.names():
    data_set = catalog.get(name)
    classes = sorted(c for c in data_set.class_of_label.values() if c >= 0)
    assert classes == list(range(data_set.num_classes))


def test_refused_and_remarked(tmp_path):
  good = np.ones([30, 40], np.uint8)
  draw(tmp_path, 'good', good)
  draw(tmp_path, 'void', 0 * good)
  draw(tmp_path, 'strange', good + 200)
  draw(tmp_path, 'small', good[:20])
  draw(tmp_path, 'colors', np.stack([good, good, 2 * good], -1))
  draw(tmp_path, 'alone', good)
  (tmp_path / 'labels/alone.png').unlink()
  (tmp_path / 'images/broken.jpg').write_bytes(b'no image')
  exif = Image.Exif()
  exif[0x0112] = 6  # a quarter turn
  draw(tmp_path, 'turned', np.ones([40, 30], np.uint8), exif=exif)
  report, truth = convert(tmp_path, 'ade20k')
  assert report.written == 3 and len(truth) == 3
  assert report.remarks == {'void.jpg': 'nothing but void',
                            'turned.jpg': 'image (turned by its EXIF) stored as RGB PNG'}
  for name, words in (('strange', r'neither class nor void in ade20k: 201'),
                      ('small', '20x40, its image 30x40'),
                      ('colors', 'has colors .mode RGB.; a label is one channel'),
                      ('alone', 'does not exist'), ('broken', 'cannot be decoded')):
    assert re.search(words, report.refused[f'{name}.jpg']), report.refused
  turned = next(i for i in truth.example_ids if truth.source_id(i) == 'turned')
  assert truth.image(turned).shape == (40, 30, 3)


def test_flags(tmp_path, capsys):
  draw(tmp_path, 'a', np.ones([30, 40], np.uint8))
  flags = ['semantic', f'--images={tmp_path}/images', f'--labels={tmp_path}/labels', '--split=val',
           f'--output={tmp_path}/records', '--workers=1']
  prepare_data.main([*flags, '--data_set=ade20k'])
  assert 'val: 1 images' in capsys.readouterr().out
  with pytest.raises(UserError, match='semantic needs'):
    prepare_data.main(flags)
  with pytest.raises(UserError, match="'ade' is unknown"):
    prepare_data.main([*flags, '--data_set=ade'])
  with pytest.raises(UserError, match='ends in .bmp; set --image_suffix'):
    prepare_data.main([*flags, '--data_set=ade20k', '--image_suffix=.bmp'])
  with pytest.raises(UserError, match='is not a directory'):
    prepare_data.main([*flags, '--data_set=ade20k', f'--labels={tmp_path}/none'])


def test_a_name_that_is_not_utf_8(tmp_path):
  draw(tmp_path, 'a', np.zeros([30, 40], np.uint8))
  with open(os.path.join(os.fsencode(tmp_path), b'images', b'b\xff.jpg'), 'wb'):
    pass
  with pytest.raises(UserError, match=r"a name that is not UTF-8 \(b'b.xff.jpg'\); rename it"):
    convert(tmp_path, 'ade20k')
