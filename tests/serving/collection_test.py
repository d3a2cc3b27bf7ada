"""The JSON of several images, COCO's results by COCO's own tools."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools import mask as mask_tools
from pycocotools.coco import COCO

from tests.serving import result_test
from tf_maskformer.serving.collection import Collection


def write(folder, results):
  collection = Collection()
  for name, result in results.items():
    collection.add(result, name)
  assert len(collection) == len(results)
  collection.write(folder)
  return json.loads((folder / 'predictions.json').read_text())['annotations']


def test_pycocotools_reads_the_results(tmp_path):
  instance, _ = result_test.instance()
  write(tmp_path, {'000042': result_test.panoptic(), '7': instance})
  truth = COCO()
  truth.dataset = {
      'images': [{'id': 42, 'height': 20, 'width': 30}, {'id': 7, 'height': 20, 'width': 30}],
      'categories': [{'id': 17}, {'id': 18}], 'annotations': []}
  with contextlib.redirect_stdout(io.StringIO()):
    truth.createIndex()
    found = truth.loadRes(str(tmp_path / 'coco_results.json'))
  rows = found.loadAnns(found.getAnnIds(imgIds=[42]))
  segments = [s for s in result_test.panoptic().segments if s.is_thing]
  assert len(rows) == len(segments) == 2
  for row, segment in zip(rows, segments):
    assert mask_tools.area(row['segmentation']) == segment.area
    assert row['area'] == segment.box[2] * segment.box[3]  # pycocotools takes the box's, as said
    assert tuple(row['bbox']) == segment.box == tuple(mask_tools.toBbox(row['segmentation']))
    assert (row['category_id'], row['score']) == (18, segment.score)
    np.testing.assert_array_equal(found.annToMask(row), segment.mask)
  assert len(found.getAnnIds(imgIds=[7])) == 4


@pytest.mark.parametrize('names, ids', [
    (['1', '2'], [1, 2]), (['1', 'a'], ['1', 'a']), (['1', '01'], ['1', '01']),
    (['a/1', 'b/1'], ['a/1', 'b/1'])])
def test_image_ids(tmp_path, names, ids):
  rows = write(tmp_path, dict.fromkeys(names, result_test.panoptic()))
  assert [row['image_id'] for row in rows] == ids
  assert [row['file_name'] for row in rows] == [f'{name}.png' for name in names]
  results = json.loads((tmp_path / 'coco_results.json').read_text())
  assert [row['image_id'] for row in results] == [ids[0], ids[0], ids[1], ids[1]]


def test_a_semantic_task_has_no_coco_results(tmp_path):
  write(tmp_path, {'a': result_test.semantic()})
  assert [p.name for p in tmp_path.iterdir()] == ['predictions.json']


def test_no_image(tmp_path):
  assert write(tmp_path, {}) == []


def test_files_are_written_as_results_come(tmp_path):
  collection = Collection()
  (tmp_path / 'predictions.json').write_text('of an earlier run')
  (tmp_path / 'coco_results.json').write_text('of an earlier run')
  collection.start(tmp_path)
  assert json.loads((tmp_path / 'predictions.json').read_text()) == {'annotations': []}
  assert not (tmp_path / 'coco_results.json').exists()
  for number in range(50):  # quicker than they may be written
    collection.add(result_test.panoptic(), f'{number}')
    collection.update(tmp_path)
    rows = json.loads((tmp_path / 'predictions.json').read_text())['annotations']
    assert [row['image_id'] for row in rows] == list(range(collection.num_written))
  assert 0 < collection.num_written < 50
  collection.write(tmp_path)
  assert collection.num_written == 50
