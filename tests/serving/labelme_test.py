"""LabelMe's JSON holds the segments' pixels: read back by our converter, and by supervision."""

import base64
import json
import warnings

import numpy as np
import pytest

from tests.serving import result_test
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders.preparation.custom import labelme_shapes


def masks_of(content):
  """Returns label and mask of every object, as `prepare custom` reads them."""
  size = (content['imageHeight'], content['imageWidth'])
  found, left_out = labelme_shapes.instances(content['shapes'], size, 'a.json')
  assert not left_out
  return [(row['label'], instance_masks.rasterize(row, size, 'a.json')) for row in found]


@pytest.mark.parametrize('make', [
    result_test.panoptic, result_test.semantic, lambda: result_test.instance()[0]])
def test_our_converter_reads_the_same_masks(make):
  result = make()
  content = json.loads(json.dumps(result.to_labelme('images/street.jpg')))
  assert content['imagePath'] == 'images/street.jpg' and content['imageData'] is None
  found = masks_of(content)
  assert [label for label, _ in found] == [segment.label for segment in result.segments]
  for (_, mask), segment in zip(found, result.segments):
    np.testing.assert_array_equal(mask, segment.mask)


def test_parts_are_grouped_and_scores_described():
  shapes = result_test.panoptic().to_labelme('a.jpg')['shapes']
  assert [shape['group_id'] for shape in shapes] == [None, None, 3, 3]  # the dog in two parts
  assert shapes[1]['description'] == '0.7500'
  assert all(shape['shape_type'] == 'polygon' for shape in shapes)


def test_the_image_may_be_inside():
  content = result_test.panoptic().to_labelme('a.jpg', b'bytes of a file')
  assert base64.b64decode(content['imageData']) == b'bytes of a file'


def test_supervision_reads_it():
  supervision = pytest.importorskip('supervision')
  read = pytest.importorskip('supervision.dataset.formats.labelme').labelme_shapes_to_detections
  assert supervision
  result = result_test.panoptic()
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    found = read(result.to_labelme('a.jpg')['shapes'], {'dog': 0, 'sky': 1}, (30, 20), True)
  assert found.class_id.tolist() == [1, 0, 0]
  assert found.xyxy.astype(int).tolist() == [[0, 1, 30, 10], [0, 10, 15, 20], [20, 12, 29, 20]]
