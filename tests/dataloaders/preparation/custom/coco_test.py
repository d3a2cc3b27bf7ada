"""COCO's JSONs as tools lay them out: recognized, every pixel kept, nothing guessed."""

import json

import numpy as np
import pytest
from pycocotools import mask as mask_tools

from tests import support
from tests.dataloaders.preparation.custom import drawn
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.errors import UserError


def runs(name):
  encoded = mask_tools.encode(np.asfortranarray(drawn.mask(name).astype(np.uint8)))
  return {'size': list(drawn.SIZE), 'counts': encoded['counts'].decode()}


def content(names=('a.jpg', 'b.jpg'), categories=None, **values):
  """Returns a JSON: a cat and a dog in the first image, a dog in the others."""
  height, width = drawn.SIZE
  categories = categories or [{'id': 4, 'name': 'cat'}, {'id': 9, 'name': 'dog'}]
  id_of = {category['name']: category['id'] for category in categories}
  rows = []
  for k, _ in enumerate(names):
    for name in ('cat', 'dog') if k == 0 else ('dog',):
      rows.append({'id': len(rows) + 1, 'image_id': k, 'category_id': id_of[name], 'iscrowd': 0,
                   'area': drawn.mask(name).sum().item(), 'bbox': [0, 0, 1, 1],
                   'segmentation': [drawn.polygon(name)], **values})
  return {'images': [{'id': k, 'file_name': name, 'height': height, 'width': width}
                     for k, name in enumerate(names)],
          'annotations': rows, 'categories': categories}


def write(path, rows):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(json.dumps(rows))
  return str(path)


def write_images(folder, names=('a.jpg', 'b.jpg')):
  for name in names:
    drawn.image(folder / name)


def names_of(output):
  return [c.name for c in catalog.get(f'{output}/data_set.yaml').classes]


def test_one_json_is_split(tmp_path, capsys):
  names = [f'{k}.jpg' for k in range(10)]
  write_images(tmp_path / 'images', names)
  path = write(tmp_path / 'labels.json', content(names))
  output = tmp_path / 'out'
  drawn.prepare(output, f'--images={tmp_path}/images', f'--annotations={path}', '--split=0.7')
  train, val = drawn.objects(output, 'train'), drawn.objects(output, 'val')
  assert (len(train), len(val)) == (7, 3) and not set(train) & set(val)
  for image_id, found in {**train, **val}.items():
    drawn.require_drawn(found, *(('cat', 'dog') if image_id == '0' else ('dog',)))
  assert names_of(output) == ['cat', 'dog']
  printed = capsys.readouterr().out
  assert 'COCO instances JSON, for instance segmentation; 2 classes: cat, dog' in printed
  assert f'images in {tmp_path}/images; 10 images, 11 instances' in printed


ROOT = {'id': 0, 'name': 'animals', 'supercategory': 'none'}
ROBOFLOW = [ROOT, {'id': 1, 'name': 'cat', 'supercategory': 'animals'},
            {'id': 2, 'name': 'dog', 'supercategory': 'animals'}]


def roboflow(folder, **categories):
  for split in ('train', 'valid', 'test'):
    names = [f'{split}_jpg.rf.0a1b.jpg', f'{split}2.jpg']
    write_images(folder / split, names)
    rows = content(names, categories.get(split, ROBOFLOW))
    write(folder / split / '_annotations.coco.json', rows)


@pytest.mark.parametrize('flag', ['images', 'annotations'])
def test_roboflow(tmp_path, capsys, flag):
  roboflow(tmp_path / 'export')
  output = tmp_path / 'out'
  drawn.prepare(output, f'--{flag}={tmp_path}/export')
  for split in ('train', 'val', 'test'):
    found = drawn.objects(output, split)
    drawn.require_drawn(found['0'], 'cat', 'dog')
    drawn.require_drawn(found['1'], 'dog')
  assert names_of(output) == ['cat', 'dog']
  assert "category 0 'animals' has no annotation and is above the others" in capsys.readouterr().out


def test_a_class_zero_that_is_used_is_a_class(tmp_path):
  categories = [{'id': 0, 'name': 'cat', 'supercategory': 'none'},
                {'id': 1, 'name': 'dog', 'supercategory': 'cat'}]
  roboflow(tmp_path / 'export', train=categories, valid=categories, test=categories)
  output = tmp_path / 'out'
  drawn.prepare(output, f'--annotations={tmp_path}/export')
  assert names_of(output) == ['cat', 'dog']
  drawn.require_drawn(drawn.objects(output, 'val')['0'], 'cat', 'dog')


def test_classes_are_matched_across_splits_by_name(tmp_path):
  other = [{'id': 7, 'name': ' Dog'}, {'id': 1, 'name': 'cat'}]
  other[0]['name'] = 'dog'
  roboflow(tmp_path / 'export', valid=other)
  output = tmp_path / 'out'
  drawn.prepare(output, f'--annotations={tmp_path}/export')
  drawn.require_drawn(drawn.objects(output, 'val')['0'], 'cat', 'dog')


def test_an_id_that_means_two_classes_stops_with_both(tmp_path):
  swapped = [{'id': 2, 'name': 'cat'}, {'id': 1, 'name': 'dog'}]
  roboflow(tmp_path / 'export', valid=swapped)
  with pytest.raises(UserError, match="category 2 is 'dog' in .*train.* but 'cat' in .*valid"):
    drawn.prepare(tmp_path / 'out', f'--annotations={tmp_path}/export')
  first = write(tmp_path / 'a.json', content())
  second = write(tmp_path / 'b.json', content(categories=[
      {'id': 9, 'name': 'cat'}, {'id': 4, 'name': 'dog'}]))
  write_images(tmp_path / 'images')
  with pytest.raises(UserError, match='class 9 is dog in .*a.json, but cat in .*b.json'):
    drawn.prepare(
        tmp_path / 'out', f'--images={tmp_path}/images', f'--annotations={first}',
        f'--val_annotations={second}')


def cvat(folder, **values):
  write_images(folder / 'images', ('x/a.jpg', 'b.jpg'))
  path = folder / 'annotations' / 'instances_default.json'
  return write(path, content(('x/a.jpg', 'b.jpg'), **values))


def test_cvat(tmp_path):
  cvat(tmp_path / 'export')
  for flags in ((f'--annotations={tmp_path}/export',), (f'--images={tmp_path}/export',), (
      f'--annotations={tmp_path}/export/annotations/instances_default.json',)):
    output = tmp_path / f'out{len(list(tmp_path.iterdir()))}'
    drawn.prepare(output, *flags, '--split=0.5')
    found = {**drawn.objects(output, 'train'), **drawn.objects(output, 'val')}
    drawn.require_drawn(found['0'], 'cat', 'dog')
    drawn.require_drawn(found['1'], 'dog')


def test_cvats_masks_are_all_marked_as_crowds(tmp_path, capsys):
  path = cvat(tmp_path / 'export', iscrowd=1)
  rows = json.loads((tmp_path / 'export/annotations/instances_default.json').read_text())
  for row in rows['annotations']:
    row['segmentation'] = runs('cat' if row['category_id'] == 4 else 'dog')
  (tmp_path / 'export/annotations/instances_default.json').write_text(json.dumps(rows))
  flags = f'--annotations={path}', '--split=0.5'
  with pytest.raises(UserError, match='all 3 instances are marked as crowds .* CVAT'):
    drawn.prepare(tmp_path / 'out', *flags)
  drawn.prepare(tmp_path / 'out', *flags, '--crowds_are_instances')
  assert '3 annotations marked as crowds are read as instances' in capsys.readouterr().out
  found = {**drawn.objects(tmp_path / 'out', 'train'), **drawn.objects(tmp_path / 'out', 'val')}
  drawn.require_drawn(found['0'], 'cat', 'dog')


@pytest.mark.parametrize('names', [
    ('images/8e1b2c3d-a%20b.jpg', 'images/0a1b2c3d-b.jpg'), ('images\\a b.jpg', 'images\\b.jpg'),
    ('../../label-studio/data/media/upload/1/8e1b2c3d-a b.jpg', '/data/upload/1/0a1b2c3d-b.jpg')])
def test_label_studio(tmp_path, names):
  write_images(tmp_path / 'export/images', ('8e1b2c3d-a b.jpg', '0a1b2c3d-b.jpg'))
  categories = [{'id': 0, 'name': 'cat'}, {'id': 1, 'name': 'dog'}]
  write(tmp_path / 'export/result.json', content(names, categories))
  output = tmp_path / 'out'
  drawn.prepare(output, f'--annotations={tmp_path}/export', '--split=0.5')
  found = {**drawn.objects(output, 'train'), **drawn.objects(output, 'val')}
  drawn.require_drawn(found['0'], 'cat', 'dog')
  drawn.require_drawn(found['1'], 'dog')


def test_classes_are_merged_and_left_out(tmp_path, capsys):
  write_images(tmp_path)
  path = write(tmp_path / 'x.json', content())
  classes = tmp_path / 'classes.yaml'
  classes.write_text('classes: [{name: cat, aliases: [dog]}]')
  flags = f'--annotations={path}', '--split=0.5'
  drawn.prepare(tmp_path / 'merged', *flags, f'--classes={classes}')
  found = {**drawn.objects(tmp_path / 'merged', 'train'),
           **drawn.objects(tmp_path / 'merged', 'val')}
  assert [name for name, _ in found['0']] == ['cat', 'cat']
  drawn.prepare(tmp_path / 'less', *flags, '--ignore=Cat')
  found = {**drawn.objects(tmp_path / 'less', 'train'), **drawn.objects(tmp_path / 'less', 'val')}
  drawn.require_drawn(found['0'], 'dog')
  said = capsys.readouterr().out
  assert "category 4 'cat', 1 annotations: left out" in said and 'nothing is called' not in said
  drawn.prepare(tmp_path / 'more', *flags, '--ignore=cow')
  assert "nothing is called 'cow', which should be left out" in capsys.readouterr().out
  drawn.prepare(tmp_path / 'turned', *flags, '--classes=dog,cat')
  assert names_of(tmp_path / 'turned') == ['dog', 'cat']
  found = {**drawn.objects(tmp_path / 'turned', 'train'),
           **drawn.objects(tmp_path / 'turned', 'val')}
  drawn.require_drawn(found['0'], 'cat', 'dog')
  with pytest.raises(UserError, match=r'does not name: dog \(2 annotations\)'):
    drawn.prepare(tmp_path / 'out', *flags, '--classes=cat')


@pytest.mark.parametrize('change, words', [
    (lambda rows: rows.update(categories=[]), 'have no categories'),
    (lambda rows: rows['categories'][0].pop('name'), 'category 4 has no name'),
    (lambda rows: rows['categories'][0].update(id=-1), 'category id -1'),
    (lambda rows: [row.update(segmentation=[]) for row in rows['annotations']], 'have no masks'),
    (lambda rows: [row.update(file_name='none.jpg') for row in rows['images']],
     'none of the images of .* is in .*: none.jpg'),
    (lambda rows: [row.pop('file_name') for row in rows['images']], 'none of 2 .* file name')])
def test_what_stops(tmp_path, change, words):
  write_images(tmp_path)
  rows = content()
  change(rows)
  path = write(tmp_path / 'x.json', rows)
  with pytest.raises(UserError, match=words):
    drawn.prepare(tmp_path / 'out', f'--annotations={path}', '--split=0.5')


def test_flags_that_do_not_fit(tmp_path):
  write_images(tmp_path)
  path = write(tmp_path / 'x.json', content())
  for flag, words in (('--task=semantic', 'does not say what the pixels of no instance are'),
                      ('--binary=cat', '--binary is for label images')):
    with pytest.raises(UserError, match=words):
      drawn.prepare(tmp_path / 'out', f'--annotations={path}', '--split=0.5', flag)
  write(tmp_path / 'y.json', content())
  with pytest.raises(UserError, match='has two JSONs of one data set'):
    drawn.prepare(tmp_path / 'out', f'--annotations={tmp_path}', '--split=0.5')
  (tmp_path / 'y.json').write_text('{"images": [')
  with pytest.raises(UserError, match=r'y\.json is not JSON'):
    drawn.prepare(tmp_path / 'out', f'--annotations={tmp_path}/y.json', '--split=0.5')


@pytest.mark.parametrize('task, classes', [('panoptic', 133), ('semantic', 133), ('instance', 80)])
def test_cocos_own_images_without_saying_that_they_are(tmp_path, task, classes):
  mini = support.shared('data/coco_panoptic_mini')
  output = tmp_path / 'out'
  drawn.prepare(output, f'--annotations={mini}', f'--task={task}')
  assert len(names_of(output)) == classes
  assert len(drawn.objects(output, 'val')) == 7 and len(drawn.objects(output, 'train')) == 7
  with pytest.raises(UserError, match='of instances and of panoptic segments'):
    drawn.prepare(tmp_path / 'x', f'--annotations={mini}')


def test_instances_of_panoptic_segments(tmp_path):
  mini = support.shared('data/coco_panoptic_mini')
  output = tmp_path / 'out'
  drawn.prepare(output, f'--annotations={mini}/annotations/panoptic_val2017.json',
                f'--images={mini}/val2017', '--task=instance', '--split=0.5')
  data_set = catalog.get(f'{output}/data_set.yaml')
  assert data_set.has_things_alone and data_set.num_classes == 80
  panoptic = json.loads((mini / 'annotations/panoptic_val2017.json').read_text())
  is_thing = {c['id']: c['isthing'] for c in panoptic['categories']}
  wanted = {str(a['image_id']): sum(is_thing[s['category_id']] for s in a['segments_info'])
            for a in panoptic['annotations']}
  found = {**drawn.objects(output, 'train'), **drawn.objects(output, 'val')}
  assert {image_id: len(one) for image_id, one in found.items()} == wanted
