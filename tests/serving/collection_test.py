"""The JSON of several images, COCO's results by COCO's own tools."""

import contextlib
import io
import json
import pathlib

import numpy as np
import pytest
from PIL import Image
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


def slow_panoptic_quality(truth, predicted, folder):
  """Returns PQ of each category by panopticapi's rules, computed pixel by pixel."""
  counts = {}
  for row in truth['annotations']:
    other, = [p for p in predicted['annotations'] if p['image_id'] == row['image_id']]
    true_map, found_map = (
        np.asarray(Image.open(folder / r['file_name'])).astype(int) @ [1, 256, 65536]
        for r in (row, other))
    true = {s['id']: s for s in row['segments_info']}
    found = {s['id']: s for s in other['segments_info']}
    assert set(np.unique(found_map)) - {0} == set(found)  # panopticapi's own checks
    for number, segment in found.items():
      assert (found_map == number).sum() == segment['area']
    for a in true:
      for b in found:
        both = ((true_map == a) & (found_map == b)).sum()
        either = ((true_map == a) | ((found_map == b) & (true_map > 0))).sum()
        if true[a]['category_id'] == found[b]['category_id'] and both / either > 0.5:
          hits = counts.setdefault(true[a]['category_id'], [0.0, 0])
          hits[0] += both / either
          hits[1] += 1
  return {category: iou / hits for category, (iou, hits) in counts.items()}


def test_the_panoptic_form_is_that_of_panopticapi(tmp_path):
  result = result_test.panoptic()
  result.save_images(tmp_path, '000042')
  rows = write(tmp_path, {'000042': result})
  content = {'annotations': rows}
  found = slow_panoptic_quality(content, json.loads(json.dumps(content)), tmp_path)
  assert found == {90: 1.0, 18: 1.0} and rows[0]['image_id'] == 42


def data_set(folder, names):
  """Writes two results of images in folder/images in the form of a data set."""
  (folder / 'images/deep').mkdir(parents=True)
  (folder / 'out').mkdir()
  instance, _ = result_test.instance()
  collection = Collection(names, str(folder / 'images'))
  collection.start(folder / 'out')
  for name, result in (('a', result_test.panoptic()), ('deep/b', instance)):
    path = folder / f'images/{name}.png'
    Image.fromarray(result.image).save(path)
    collection.add(result, name, path)
  collection.write(folder / 'out')
  return instance


def test_supervision_reads_its_form(tmp_path):
  supervision = pytest.importorskip('supervision')
  instance = data_set(tmp_path, ['supervision'])
  assert [p.name for p in (tmp_path / 'out').iterdir()] == ['supervision.json']
  found = supervision.DetectionDataset.from_coco(
      str(tmp_path / 'images'), str(tmp_path / 'out/supervision.json'))
  assert found.classes == ['cat', 'dog', 'sky'] and len(found) == 2
  for _, image, detections in found:
    result = result_test.panoptic() if image.any() else instance
    assert detections.class_id.tolist() == [s.class_id for s in result.segments]
    for mask, segment in zip(detections.mask, result.segments):
      np.testing.assert_array_equal(mask, segment.mask)


def test_the_folder_for_fiftyone_is_as_its_documentation_says(tmp_path):
  """COCODetectionDataset: data.json says where the files are that labels.json names."""
  instance = data_set(tmp_path, ['fiftyone'])
  folder = tmp_path / 'out/fiftyone'
  assert sorted(p.name for p in folder.iterdir()) == ['data.json', 'labels.json']
  places = json.loads((folder / 'data.json').read_text())
  assert all(pathlib.Path(path).is_file() and path.startswith('/') for path in places.values())
  with contextlib.redirect_stdout(io.StringIO()):
    labels = COCO(str(folder / 'labels.json'))
  assert {row['file_name'] for row in labels.imgs.values()} == set(places)
  assert [c['name'] for c in labels.cats.values()] == ['cat', 'dog', 'sky']
  rows = labels.loadAnns(labels.getAnnIds(imgIds=[2]))
  assert len({row['id'] for row in labels.anns.values()}) == 3 + 3
  for row, segment in zip(rows, instance.segments):
    assert (row['category_id'], row['score']) == (segment.category_id, segment.score)
    assert tuple(row['bbox']) == segment.box and row['area'] == segment.area
    np.testing.assert_array_equal(labels.annToMask(row), segment.mask)


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
