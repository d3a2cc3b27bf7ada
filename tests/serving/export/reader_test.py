"""The reader of exported folders: answers, files, and one line for what is wrong."""

import json

import numpy as np
import pytest
from PIL import Image

from tf_maskformer.serving.export import reader

CLASSES = [
    {'id': 3, 'name': 'cat', 'isthing': True, 'color': [255, 0, 0]},
    {'id': 9, 'name': 'sky', 'isthing': False, 'color': [0, 0, 255]}]
METADATA = {'classes': CLASSES, 'outputs': ['id_map'], 'input_size': None, 'task': 'panoptic'}
ID_MAP = np.array([[0, 1, 1], [2, 2, 1]], np.int32)
PANOPTIC = {'id_map': ID_MAP, 'classes': np.array([1, 0, 0]),
            'scores': np.array([0.75, 0.5, 0.0]), 'count': np.array(2)}


def test_panoptic_segments():
  id_map, segments = reader.segments_of(PANOPTIC, METADATA)
  np.testing.assert_array_equal(id_map, ID_MAP)
  assert segments == [
      {'id': 1, 'category_id': 9, 'category_name': 'sky', 'isthing': False, 'area': 3,
       'bbox': [1, 0, 2, 2], 'score': 0.75},
      {'id': 2, 'category_id': 3, 'category_name': 'cat', 'isthing': True, 'area': 2,
       'bbox': [0, 1, 2, 1], 'score': 0.5}]


def test_segments_without_pixels_are_left_out():
  """As those that a model of a fixed size finds in the padding."""
  _, segments = reader.segments_of({**PANOPTIC, 'id_map': np.minimum(ID_MAP, 1)}, METADATA)
  assert [row['id'] for row in segments] == [1]


def test_instances_best_on_top():
  masks = np.zeros([3, 2, 3], np.uint8)
  masks[0, :, :2] = 1
  masks[1, :, 1:] = 1
  answer = {'classes': np.array([0, 0, 0]), 'scores': np.array([0.9, 0.6, 0.4]), 'masks': masks}
  id_map, segments = reader.segments_of(answer, METADATA)
  np.testing.assert_array_equal(id_map, [[2, 2, 1], [2, 2, 1]])
  assert [row['score'] for row in segments] == [0.6, 0.9]
  assert segments[0]['area'] == 4  # with what the other hides
  assert segments[0]['segmentation'] == {'size': [2, 3], 'counts': [2, 4]}
  assert segments[1]['segmentation'] == {'size': [2, 3], 'counts': [0, 4, 2]}


def test_run_lengths_are_cocos():
  mask_tools = pytest.importorskip('pycocotools.mask')
  mask = np.random.default_rng(0).uniform(size=[7, 5]) < 0.5
  runs = reader.run_lengths(mask)
  decoded = mask_tools.decode(mask_tools.frPyObjects(runs, *runs['size']))
  np.testing.assert_array_equal(decoded, mask)


def test_files(tmp_path):
  image = np.full([2, 3, 3], 100, np.uint8)
  reader.save(PANOPTIC, image, METADATA, tmp_path, 'a')
  ids = np.asarray(Image.open(tmp_path / 'a.png'))
  np.testing.assert_array_equal(ids[..., 0], ID_MAP)
  row, = json.loads((tmp_path / 'a.json').read_text())['annotations']
  assert [s['id'] for s in row['segments_info']] == [1, 2] and row['file_name'] == 'a.png'
  labels = {'labels': np.array([[1, 1, 0]], np.int32)}
  reader.save(labels, image[:1], {**METADATA, 'task': 'semantic'}, tmp_path, 'b')
  np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / 'b.png')), labels['labels'])
  row, = json.loads((tmp_path / 'b.json').read_text())['annotations']
  assert [(s['id'], s['category_name']) for s in row['segments_info']] == [(0, 'cat'), (1, 'sky')]
  logits = {'mask_logits': np.ones([1, 2, 2], np.float32)}
  reader.save(logits, image, {**METADATA, 'task': 'raw'}, tmp_path, 'c')
  with np.load(tmp_path / 'c.npz') as found:
    np.testing.assert_array_equal(found['mask_logits'], logits['mask_logits'])


def test_a_fixed_size_comes_back_at_the_images_size(tmp_path):
  class Fixed(reader.Model):
    """Answers with the bytes of the red channel."""
    def run(self, image):
      assert image.shape == (8, 8, 3)
      return {'id_map': image[..., 0].astype(np.int32)}
  (tmp_path / 'metadata.json').write_text(json.dumps({**METADATA, 'input_size': [8, 8]}))
  image = np.zeros([4, 16, 3], np.uint8)
  image[:, 8:] = 200
  found = Fixed(tmp_path).predict(image)['id_map']
  assert found.shape == (4, 16)
  assert (found[:, :6] == 0).all() and (found[:, 10:] == 200).all()


@pytest.mark.parametrize('content, why', [
    (None, 'No such file'), ('{', 'damaged'), ('[]', 'damaged'), ('{}', 'damaged')])
def test_damaged_folders(tmp_path, content, why):
  (tmp_path / 'model.onnx').write_bytes(b'')
  if content is not None:
    (tmp_path / 'metadata.json').write_text(content)
  with pytest.raises(reader.Problem, match=why):
    reader.open_model(tmp_path)


def test_damaged_models(tmp_path):
  with pytest.raises(reader.Problem, match='holds neither'):
    reader.open_model(tmp_path)
  (tmp_path / 'metadata.json').write_text(json.dumps(METADATA))
  for name in ('model.onnx', 'model.xml'):
    (tmp_path / name).write_text('damaged')
    with pytest.raises(reader.Problem, match='cannot be loaded') as problem:
      reader.open_model(tmp_path)
    assert '\n' not in str(problem.value)
    (tmp_path / name).unlink()


def test_images(tmp_path):
  with pytest.raises(reader.Problem, match='does not exist'):
    reader.read_image(tmp_path / 'none.png')
  (tmp_path / 'text.png').write_text('text')
  with pytest.raises(reader.Problem, match='cannot be read'):
    reader.read_image(tmp_path / 'text.png')
  Image.fromarray(np.zeros([3, 4], np.uint16)).save(tmp_path / 'deep.png')
  with pytest.raises(reader.Problem, match='8 bits'):
    reader.read_image(tmp_path / 'deep.png')
  Image.fromarray(np.full([3, 4], 7, np.uint8)).save(tmp_path / 'gray.png')
  assert reader.read_image(tmp_path / 'gray.png').tolist() == [[[7] * 3] * 4] * 3
