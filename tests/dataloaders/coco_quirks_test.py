"""What labelling tools leave out or write otherwise in COCO's instances JSON, and what it becomes.

A square and a triangle whose pixels are known; every test changes the JSON and looks at the record.
"""

import codecs
import json
import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_maskformer.dataloaders import annotations
from tf_maskformer.dataloaders import coco_json
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders.preparation import coco_instances
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError

SIZE = (40, 60)
SQUARE = [10, 5, 30, 5, 30, 25, 10, 25]  # 20 x 20 pixels


def square_mask():
  mask = np.zeros(SIZE, bool)
  mask[5:25, 10:30] = True
  return mask


def content():
  instance = {'id': 1, 'image_id': 7, 'category_id': 1, 'iscrowd': 0, 'area': 399.5,
              'bbox': [10, 5, 20, 20], 'segmentation': [SQUARE]}
  return {
      'images': [{'id': k, 'file_name': f'{k}.png', 'height': SIZE[0], 'width': SIZE[1]}
                 for k in (7, 8)],
      'annotations': [instance, {**instance, 'id': 2, 'area': 398.0, 'category_id': 3},
                      {**instance, 'id': 3, 'image_id': 8}],
      'categories': [{'id': 1, 'name': 'person'}, {'id': 3, 'name': 'car'}]}


def write(folder, change, data=None):
  """Writes the data set with a change of its JSON and returns its source."""
  rows = content()
  change(rows)
  for k in (7, 8):
    Image.fromarray(np.full([*SIZE, 3], k, np.uint8)).save(folder / f'{k}.png')
  path = folder / 'x.json'
  path.write_bytes(data(rows) if data else json.dumps(rows).encode())
  return coco_instances.CocoInstances(str(folder), str(path))


def convert(folder, change, **options):
  source = write(folder, change)
  source = coco_instances.CocoInstances(**{**vars(source), **options})
  report = shards.convert(source, str(folder / 'out'), 'val', 1, 1)
  truth = ground_truth.GroundTruth(f'{folder}/out/val*.tfrecord', 'coco_instance')
  return report, {truth.source_id(e): truth.instances(e) for e in truth.example_ids}


def first(rows):
  return rows['annotations'][0]


def every(rows, **values):
  for annotation in rows['annotations']:
    annotation.update(values)


def drop(rows, key):
  for annotation in rows['annotations']:
    annotation.pop(key, None)


RUNS = {'size': list(SIZE), 'counts': [10 * 40 + 5, *[20, 20] * 19, 20, 40 * 30 + 15]}


@pytest.mark.parametrize('change', [
    lambda rows: None,
    lambda rows: every(rows, segmentation=SQUARE),
    lambda rows: every(rows, segmentation=[[[10, 5], [30, 5], [30, 25], [10, 25]]]),
    lambda rows: every(rows, segmentation=[[10, 5], [30, 5], [30, 25], [10, 25]]),
    lambda rows: every(rows, segmentation=[SQUARE, [], [1, 2, 3, 4]]),
    lambda rows: every(rows, segmentation=RUNS),
    lambda rows: rows['images'][0].update(id='7'),
    lambda rows: [a.update(image_id=float(a['image_id']), category_id=float(a['category_id']),
                           id=str(a['id']), iscrowd=0.0) for a in rows['annotations']],
    lambda rows: [a.update(category_id=str(a['category_id'])) for a in rows['annotations']],
    lambda rows: [c.update(id=str(c['id'])) for c in rows['categories']],
    lambda rows: rows.update(categories=None),
    lambda rows: rows.pop('categories'),
    lambda rows: rows['categories'].insert(0, {'id': 0, 'name': 'root', 'supercategory': 'none'})])
def test_the_same_in_other_words(tmp_path, change):
  report, found = convert(tmp_path, change)
  assert report.written == 2 and not report.refused
  assert [(row['category_id'], row['iscrowd']) for row in found['7']] == [(0, False), (2, False)]
  for row in found['7'] + found['8']:
    np.testing.assert_array_equal(row['mask'], square_mask())


@pytest.mark.parametrize('change, remark', [
    (lambda rows: drop(rows, 'iscrowd'), '2 instances without iscrowd; it is taken as 0'),
    (lambda rows: first(rows).update(iscrowd=None), '1 instances without iscrowd'),
    (lambda rows: drop(rows, 'id'), '2 instances have no whole number as id'),
    (lambda rows: first(rows).update(id='5f3a-uuid'), '1 instances have no whole number as id'),
    (lambda rows: first(rows).update(id=2), '1 instances have the id of another annotation'),
    (lambda rows: rows['annotations'].append(dict(first(rows))), '1 annotations are in the JSON'),
    (lambda rows: rows['images'][0].pop('width'), 'states no size (height 40, width None)'),
    (lambda rows: rows['images'][0].update(height=None, width=None), 'height None, width None'),
    (lambda rows: rows['images'][0].update(height=-1), 'states no size (height -1'),
    (lambda rows: rows['images'][0].update(height=2**70), 'states no size'),
    (lambda rows: first(rows).update(category_id=2), 'a category that the JSON does not declare'),
    (lambda rows: first(rows).update(segmentation=[[10, 5, 30, 5]]), '1 instances without pixels')])
def test_what_is_made_up_is_said(tmp_path, change, remark):
  report, found = convert(tmp_path, change)
  assert remark in report.remarks['7.png'] and len(found['7']) == 2 and not report.refused
  assert '8.png' not in report.remarks or 'iscrowd' in remark or 'id' in remark


@pytest.mark.parametrize('area', [None, math.nan, math.inf, -5, 0, '12', 1e300, 2**70, [], True])
def test_an_area_that_is_none_is_that_of_the_mask(tmp_path, area):
  report, found = convert(tmp_path, lambda rows: first(rows).update(area=area))
  assert [row['area'] for row in found['7']] == [400, 398]
  assert report.remarks['7.png'] == (
      '1 instances without a usable area; it is that of the mask')


@pytest.mark.parametrize('change', [
    lambda rows: every(rows, area=1.0), lambda rows: drop(rows, 'area'),
    lambda rows: every(rows, area=5000)])
def test_an_area_that_all_have_is_none(tmp_path, change):
  report, found = convert(tmp_path, change)
  assert {row['area'] for row in found['7'] + found['8']} == {400}
  assert '2 instances without a usable area' in report.remarks['7.png']


def test_areas_as_stated_are_kept(tmp_path):
  report, found = convert(tmp_path, lambda rows: None)
  assert [row['area'] for row in found['7']] == [399, 398] and not report.remarks


@pytest.mark.parametrize('change, words', [
    (lambda rows: rows['images'][1].update(id=7), 'two images with the id 7, 7.png and 8.png'),
    (lambda rows: rows['images'][1].update(id='7'), 'two images with the id 7'),
    (lambda rows: rows.update(categories=[{'id': 1, 'name': 'cat'}, {'id': 3, 'name': 'dog'}]),
     "2 of 2 categories otherwise than data set coco_instance: 1 is 'cat', there 'person'"),
    (lambda rows: drop(rows, 'segmentation'), 'none of 3 annotations has polygons'),
    (lambda rows: every(rows, segmentation=[]), '3 have a box; masks are needed'),
    (lambda rows: every(rows, segmentation=None), '3 have a box; masks are needed'),
    (lambda rows: every(rows, segmentation=[[]]), '3 have a box; masks are needed'),
    (lambda rows: every(rows, segmentation=[[1, 2, 3, 4]]), '3 have a box; masks are needed'),
    (lambda rows: every(rows, iscrowd=1, segmentation=RUNS),
     'all 3 instances are marked as crowds .* CVAT .* give --crowds_are_instances')])
def test_what_stops(tmp_path, change, words):
  with pytest.raises(UserError, match=words):
    write(tmp_path, change).rows()


@pytest.mark.parametrize('change, words', [
    (lambda rows: rows['images'][0].update(height=60, width=40), 'height and width are swapped'),
    (lambda rows: first(rows).update(segmentation=[]), '1 of 2 instances have no mask (ids 1)'),
    (lambda rows: first(rows).pop('segmentation'), '1 of 2 instances have no mask (ids 1)'),
    (lambda rows: first(rows).update(segmentation=[[2e8, 5, 30, 5, 30, 25]]), 'instance 1 has no'),
    (lambda rows: first(rows).update(segmentation=[[None, 5, 30, 5, 30, 25]]), 'instance 1 has no'),
    (lambda rows: first(rows).update(segmentation={**RUNS, 'counts': [100, 50]}),
     'instance 1 has no polygons or run lengths that can be used (the run lengths are of 150'),
    (lambda rows: first(rows).update(category_id=99), 'category_id 99, which is not among'),
    (lambda rows: rows['images'][0].pop('file_name'), 'the file name None of the image')])
def test_what_refuses_its_image_alone(tmp_path, change, words):
  report, found = convert(tmp_path, change)
  assert set(found) == {'8'}
  assert words in next(iter(report.refused.values()))


def test_crowds_can_be_read_as_instances(tmp_path):
  report, found = convert(tmp_path, lambda rows: every(rows, iscrowd=1, segmentation=RUNS),
                          crowds_are_instances=True)
  assert '2 crowds are read as instances' in report.remarks['7.png']
  assert not any(row['iscrowd'] for row in found['7'] + found['8'])
  np.testing.assert_array_equal(found['8'][0]['mask'], square_mask())


def test_a_turned_image_that_was_annotated_as_it_is_stored(tmp_path):
  source = write(tmp_path, lambda rows: rows['images'][0].update(file_name='turned.jpg'))
  exif = Image.Exif()
  exif[0x0112] = 6  # a quarter turn
  Image.fromarray(np.zeros([*SIZE, 3], np.uint8)).save(tmp_path / 'turned.jpg', exif=exif)
  report = shards.convert(source, str(tmp_path / 'out'), 'val', 1, 1)
  assert 'swapped, for the image is turned by its EXIF' in report.refused['turned.jpg']


def test_images_are_found_by_the_names_that_tools_write(tmp_path):
  def change(rows):
    rows['images'][0]['file_name'] = 'C:\\data\\7.png'
    rows['images'][1]['file_name'] = '/data/upload/8e1b2c3d-8.png'
  report, found = convert(tmp_path, change)
  assert set(found) == {'7', '8'} and not report.refused


@pytest.mark.parametrize('encode', [
    lambda text: codecs.BOM_UTF8 + text.encode(), lambda text: text.encode('utf-16')])
def test_byte_order_marks(tmp_path, encode):
  source = write(tmp_path, lambda rows: rows['images'][0].update(file_name='고양이.png'),
                 lambda rows: encode(json.dumps(rows, ensure_ascii=False)))
  assert [row['file_name'] for row in source.rows()] == ['고양이.png', '8.png']


def test_a_file_is_parsed_once(tmp_path, monkeypatch):
  source = write(tmp_path, lambda rows: None)
  parsed = []
  parse = coco_json.json_text.parse

  def counting(data, **options):
    parsed.append(len(data))
    return parse(data, **options)

  monkeypatch.setattr(coco_json.json_text, 'parse', counting)
  rows = source.rows()
  rows[0]['instances'][0]['area'] = -1
  rows[0]['instances'].clear()
  again = annotations.read_instances(source.annotations, 'coco_instance')
  assert len(parsed) == 1 and again[0]['instances'][0]['area'] == 399.5
  write(tmp_path, lambda rows: every(rows, area=7.25))
  source.rows()
  assert len(parsed) == 2


def test_records_of_such_files_can_be_read(tmp_path):
  _, found = convert(tmp_path, lambda rows: drop(rows, 'area'))
  assert found
  decode = decoder.function('coco_instance')
  for record in tf.data.TFRecordDataset(str(tmp_path / 'out/val-00000-of-00001.tfrecord')):
    decode(record)
