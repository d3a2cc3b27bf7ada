"""Logits that say the truth score full marks, by the rules of the data set."""

import numpy as np
import pytest
from PIL import Image

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.configs.experiments import published
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders.preparation import cityscapes
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.modeling.postprocessing import resize
from tf_maskformer.tasks import scores
from tf_maskformer.tasks.factory import build_task
from tf_maskformer.tasks.scores import Scores

SIZE, ROAD, CAR, PERSON = (128, 256), 7, 26, 24


def write_city(root):
  """Writes an image of road, two cars and a person in Cityscapes' layout."""
  label = np.full(SIZE, ROAD, np.uint16)
  label[16:80, 16:96] = CAR * 1000
  label[16:80, 128:192] = CAR * 1000 + 1
  label[96:, :64] = PERSON * 1000
  for folder, suffix, pixels in (('leftImg8bit', 'leftImg8bit', np.zeros([*SIZE, 3], np.uint8)),
                                 ('gtFine', 'gtFine_instanceIds', label)):
    (root / folder / 'val/ulm').mkdir(parents=True)
    Image.fromarray(pixels).save(root / f'{folder}/val/ulm/ulm_000000_000019_{suffix}.png')


@pytest.fixture(scope='module', name='root')
def draw_city(tmp_path_factory):
  root = tmp_path_factory.mktemp('city')
  write_city(root)
  return root


@pytest.mark.parametrize('data_set', ['cityscapes', 'cityscapes_instance'])
def test_cityscapes_has_its_own_precision(root, tmp_path, data_set):
  shards.convert(cityscapes.splits(str(root), data_set)['val'], str(tmp_path), 'val', 1, 1)
  truth, row = ground_truth.GroundTruth(f'{tmp_path}/val*', data_set), catalog.get(data_set)
  example_id, = truth.example_ids
  segments = truth.instances(example_id)
  class_logits = 20 * np.eye(row.num_classes + 1)[[s['category_id'] for s in segments]]
  mask_logits = 40.0 * np.stack([s['mask'][::4, ::4] for s in segments]) - 20
  evaluation = Evaluation(panoptic=data_set == 'cityscapes', instance=True)
  one = Scores(evaluation, row, truth)
  one.add({
      'example_id': example_id, 'padded_size': SIZE, 'image_size': SIZE, 'original_size': SIZE,
      'loss': 1.0, 'class_logits': class_logits.astype(np.float32),
      'mask_logits': mask_logits.astype(np.float32)})
  result = one.result()
  assert result['ap'] == result['ap50'] == pytest.approx(100) == result['ap_class/car']
  assert 'ap75' not in result and 'AP50' in result['table'] and 'AP75' not in result['table']


def test_boundaries_and_confusion(root, tmp_path):
  shards.convert(cityscapes.splits(str(root), 'cityscapes')['val'], str(tmp_path), 'val', 1, 1)
  truth, row = ground_truth.GroundTruth(f'{tmp_path}/val*', 'cityscapes'), catalog.get('cityscapes')
  example_id, = truth.example_ids
  id_map, segments = truth[example_id]
  class_logits = 20 * np.eye(row.num_classes + 1)[[s['category_id'] for s in segments]]
  masks = np.stack([id_map == s['id'] for s in segments])
  results = []
  for shift in (0, 8):
    moved = np.roll(masks, shift, axis=2)[:, ::4, ::4]
    evaluation = Evaluation(panoptic=True, semantic=True, instance=True, boundary=True)
    one = Scores(evaluation, row, truth)
    one.add({
        'example_id': example_id, 'padded_size': SIZE, 'image_size': SIZE, 'original_size': SIZE,
        'loss': 1.0, 'class_logits': class_logits.astype(np.float32),
        'mask_logits': (40.0 * moved - 20).astype(np.float32)})
    results.append(one.result())
  right, moved = results
  assert 100 >= right['pq_all'] >= right['boundary_pq_all'] > 99  # edges are resized
  assert moved['boundary_pq_all'] < moved['pq_all'] - 10
  # Cityscapes' AP has no boundaries, which a line says.
  assert 'boundary AP is not measured' in right['table'] and 'boundary_ap' not in right
  lines = right['files']['confusion.csv'].decode().splitlines()
  assert lines[0].split(',')[:3] == ['truth / prediction', 'road', 'sidewalk']
  counts = np.array([[int(n) for n in line.split(',')[1:]] for line in lines[1:]])
  assert counts.sum() == id_map.size >= np.trace(counts) > 0.99 * id_map.size
  assert right['files']['confusion.png'].startswith(b'\x89PNG')


def test_masks_that_are_resized_once(root, tmp_path, monkeypatch):
  """Masks are resized for all scores at once, or where they would be too large for each."""
  shards.convert(cityscapes.splits(str(root), 'cityscapes')['val'], str(tmp_path), 'val', 1, 1)
  truth, row = ground_truth.GroundTruth(f'{tmp_path}/val*', 'cityscapes'), catalog.get('cityscapes')
  rng = np.random.default_rng(0)
  output = {
      'example_id': truth.example_ids[0], 'padded_size': (160, 320), 'image_size': (150, 300),
      'original_size': SIZE, 'loss': 1.0,
      'class_logits': 9 * rng.normal(size=[30, row.num_classes + 1]).astype(np.float32),
      'mask_logits': 9 * rng.normal(size=[30, 40, 80]).astype(np.float32)}
  resizes = []
  def counted(maps, *rest):
    resizes.append(len(maps))
    return resize.to_original(maps, *rest)
  monkeypatch.setattr(scores, 'to_original', counted)
  results = []
  for most in (2**26, 0):
    monkeypatch.setattr(scores, '_SHARED_ELEMENTS', most)
    one = Scores(Evaluation(semantic=True, instance=True, object_mask_threshold=0.1), row, truth)
    one.add(output)
    results.append(one.result())
  assert resizes == [30]
  shared, apart = ({k: v for k, v in result.items() if isinstance(v, float)} for result in results)
  assert shared == pytest.approx(apart, rel=1e-3, nan_ok=True) and shared['miou'] > 0


def test_metrics_that_can_choose_a_checkpoint():
  expected = {'mask2former_cityscapes_instance': False, 'mask2former_coco_instance': True}
  for name, has in expected.items():
    experiment = published.build(name)
    known = build_task(experiment.task, experiment.runtime).metric_names()
    assert ('ap75' in known) == has and {'ap', 'ap50'} <= set(known)
