"""LabelMe's JSONs: every kind of shape to its pixels, groups to one instance."""

import base64
import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from tests.dataloaders.preparation.custom import drawn
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation.custom import labelme_shapes
from tf_maskformer.errors import UserError


def polygon(name, **values):
  points = np.reshape(drawn.polygon(name), [-1, 2]).tolist()
  return {'label': name, 'points': points, 'shape_type': 'polygon', 'group_id': None, **values}


def png(pixels):
  buffer = io.BytesIO()
  Image.fromarray(pixels).save(buffer, 'PNG')
  return base64.b64encode(buffer.getvalue()).decode()


def mask(name):
  """Returns an object as LabelMe 5 stores a mask: its crop, from the first to the last pixel."""
  left, top, right, bottom = drawn.CORNERS[name]
  crop = drawn.mask(name)[top:bottom, left:right]
  return {'label': name, 'shape_type': 'mask', 'points': [[left, top], [right - 1, bottom - 1]],
          'mask': png(crop), 'group_id': None}


def rectangle(name, **values):
  left, top, right, bottom = drawn.CORNERS[name]
  return {'label': name, 'shape_type': 'rectangle', 'points': [[right, top], [left, bottom]],
          **values}


def write(folder, shapes, name='a', **values):
  drawn.image(folder / f'{name}.jpg')
  content = {'version': '5.4.1', 'flags': {}, 'shapes': shapes, 'imagePath': f'{name}.jpg',
             'imageData': None, 'imageHeight': drawn.SIZE[0], 'imageWidth': drawn.SIZE[1], **values}
  (folder / f'{name}.json').write_text(json.dumps(content, ensure_ascii=False), encoding='utf-8')


def convert(tmp_path, *flags):
  """Converts the folder and returns the objects of every image."""
  if not (tmp_path / 'set/z.json').exists():
    write(tmp_path / 'set', [polygon('dog')], 'z')
  output = tmp_path / 'out'
  drawn.prepare(output, f'--annotations={tmp_path}/set', '--split=0.5', *flags)
  return {**drawn.objects(output, 'train'), **drawn.objects(output, 'val')}


@pytest.mark.parametrize('shapes', [
    [polygon('cat'), polygon('dog')], [mask('cat'), mask('dog')],
    [rectangle('cat'), mask('dog')], [polygon('cat', shape_type=None), rectangle('dog')],
    [polygon('cat', label=' cat'), polygon('dog', group_id=3)]])
def test_every_pixel(tmp_path, shapes):
  write(tmp_path / 'set', shapes)
  found = convert(tmp_path)
  drawn.require_drawn(found['a'], 'cat', 'dog')
  data_set = catalog.get(f'{tmp_path}/out/data_set.yaml')
  assert [(c.id, c.name) for c in data_set.classes] == [(1, 'cat'), (2, 'dog')]


@pytest.mark.parametrize('part', [polygon, rectangle, mask])
def test_shapes_of_one_group_are_one_instance(tmp_path, part):
  write(tmp_path / 'set', [
      {**polygon('cat'), 'label': 'x', 'group_id': 1}, {**part('dog'), 'label': 'x', 'group_id': 1},
      {**polygon('cat'), 'label': 'y', 'group_id': 1}, {**polygon('cat'), 'label': 'x'}])
  found = convert(tmp_path)['a']
  assert sorted(name for name, _ in found) == ['x', 'x', 'y']
  grouped = max((pixels for name, pixels in found if name == 'x'), key=np.sum)
  np.testing.assert_array_equal(grouped, drawn.mask('cat') | drawn.mask('dog'))


def test_a_circle(tmp_path):
  shape = {'label': 'x', 'shape_type': 'circle', 'points': [[40.5, 20.5], [52.5, 20.5]]}
  ((_, pixels),) = _pixels([shape])
  y, x = np.mgrid[:drawn.SIZE[0], :drawn.SIZE[1]]
  distance = np.hypot(x + 0.5 - 40.5, y + 0.5 - 20.5)
  assert pixels[distance < 11.3].all() and not pixels[distance > 12.7].any()
  # Corners are on the circle, and COCO rounds them.
  assert abs(pixels.sum() - math.pi * 12**2) < 0.03 * math.pi * 12**2


def _pixels(shapes):
  found, _ = labelme_shapes.instances(shapes, drawn.SIZE, 'a.json')
  return [(i['label'], instance_masks.rasterize(i, drawn.SIZE, '')) for i in found]


def test_a_mask_that_reaches_beyond_the_image(tmp_path):
  shape = {'label': 'x', 'shape_type': 'mask', 'points': [[-3, 35], [9, 50]],
           'mask': png(np.ones([16, 13], bool))}
  ((_, pixels),) = _pixels([shape])
  wanted = np.zeros(drawn.SIZE, bool)
  wanted[35:, :10] = True
  np.testing.assert_array_equal(pixels, wanted)


def test_what_has_no_area_is_left_out_and_counted(tmp_path, capsys):
  lines = [{'label': 'cat', 'shape_type': kind, 'points': [[1, 2], [3, 4], [9, 9]]}
           for kind in ('line', 'linestrip', 'point', 'points')]
  write(tmp_path / 'set', [*lines, polygon('dog'), polygon('cat', label='__ignore__')])
  write(tmp_path / 'set', [], 'empty')
  drawn.image(tmp_path / 'set/unlabeled.jpg')
  found = convert(tmp_path)
  drawn.require_drawn(found['a'], 'dog')
  assert found['empty'] == [] and 'unlabeled' not in found
  printed = capsys.readouterr().out
  for words in ('1 shapes are left out: linestrip has no area', 'the label __ignore__',
                '1 have no shape: their images are kept, with nothing in them',
                '1 images have no JSON: left out'):
    assert words in printed


@pytest.mark.parametrize('path', ['..\\set\\a.jpg', '/home/me/a.jpg', 'renamed.jpg', '', None, 7])
def test_the_image_is_found(tmp_path, path):
  write(tmp_path / 'set', [polygon('cat')], imagePath=path)
  drawn.require_drawn(convert(tmp_path)['a'], 'cat')


def test_images_in_another_folder_and_in_the_json(tmp_path):
  write(tmp_path / 'set', [polygon('cat')])
  write(tmp_path / 'set', [polygon('dog')], 'z')
  data = (tmp_path / 'set/a.jpg').read_bytes()
  (tmp_path / 'images').mkdir()
  for name in ('a.jpg', 'z.jpg'):
    (tmp_path / 'set' / name).rename(tmp_path / 'images' / name)
  found = convert(tmp_path, f'--images={tmp_path}/images')
  drawn.require_drawn(found['a'], 'cat')
  write(tmp_path / 'set', [polygon('cat')], imageData=base64.b64encode(data).decode())
  write(tmp_path / 'set', [polygon('dog')], 'z')
  (tmp_path / 'set/a.jpg').unlink()
  drawn.require_drawn(convert(tmp_path)['a'], 'cat')


def test_hangul(tmp_path):
  write(tmp_path / 'set', [polygon('cat', label='고양이')], '사진')
  assert [name for name, _ in convert(tmp_path)['사진']] == ['고양이']


@pytest.mark.parametrize('shape, words', [
    (polygon('cat', points=[[1, 2], [3, 4]]), 'shape 0 is a polygon of 2 points'),
    (polygon('cat', points=[[1, None]] * 3), 'points that are not pairs of numbers'),
    (polygon('cat', points=[[1, 1e9]] * 3), 'points that are not pairs of numbers'),
    (polygon('cat', points='x'), 'points that are not pairs of numbers'),
    (polygon('cat', label=None), 'has the label None'),
    (polygon('cat', shape_type='star'), 'is a star of 4 points'),
    ({**mask('cat'), 'mask': None}, 'a mask without pixels'),
    ({**mask('cat'), 'mask': '#'}, 'is not base64'),
    ({**mask('cat'), 'mask': 'AAAA'}, 'its mask cannot be decoded')])
def test_damaged_shapes_refuse_their_image(shape, words):
  with pytest.raises(UnusableImage, match=words):
    labelme_shapes.instances([shape], drawn.SIZE, 'a.json')


def test_swapped_sizes_and_damaged_jsons(tmp_path, capsys):
  write(tmp_path / 'set', [polygon('cat')], imageHeight=80, imageWidth=40)
  write(tmp_path / 'set', [polygon('dog')], 'b')
  write(tmp_path / 'set', [polygon('dog')], 'c')
  (tmp_path / 'set/d.json').write_text('{"shapes": [')
  write(tmp_path / 'set', [polygon('dog')], 'z')
  output = tmp_path / 'out'
  drawn.prepare(output, f'--annotations={tmp_path}/set', '--split=0.5', '--seed=3')
  printed = capsys.readouterr().out
  assert 'height and width are swapped' in printed and 'd.json is not JSON' in printed


def test_nothing_that_can_be_used(tmp_path):
  write(tmp_path / 'set', [{'label': 'x', 'shape_type': 'point', 'points': [[1, 2]]}])
  with pytest.raises(UserError, match='has a polygon, rectangle, circle or mask'):
    drawn.prepare(tmp_path / 'out', f'--annotations={tmp_path}/set', '--split=0.5')
  write(tmp_path / 'set', [polygon('cat')])
  with pytest.raises(UserError, match='leave out --task'):
    drawn.prepare(tmp_path / 'out', f'--annotations={tmp_path}/set', '--task=panoptic')
