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
from tf_maskformer.tasks.factory import build_task
from tf_maskformer.tasks.scores import Scores

SIZE, ROAD, CAR, PERSON = (128, 256), 7, 26, 24


@pytest.fixture(scope='module', name='root')
def draw_city(tmp_path_factory):
  root = tmp_path_factory.mktemp('city')
  label = np.full(SIZE, ROAD, np.uint16)
  label[16:80, 16:96] = CAR * 1000
  label[16:80, 128:192] = CAR * 1000 + 1
  label[96:, :64] = PERSON * 1000
  for folder, suffix, pixels in (('leftImg8bit', 'leftImg8bit', np.zeros([*SIZE, 3], np.uint8)),
                                 ('gtFine', 'gtFine_instanceIds', label)):
    (root / folder / 'val/ulm').mkdir(parents=True)
    Image.fromarray(pixels).save(root / f'{folder}/val/ulm/ulm_000000_000019_{suffix}.png')
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
  scores = Scores(evaluation, row, truth)
  scores.add({
      'example_id': example_id, 'padded_size': SIZE, 'image_size': SIZE, 'original_size': SIZE,
      'loss': 1.0, 'class_logits': class_logits.astype(np.float32),
      'mask_logits': mask_logits.astype(np.float32)})
  result = scores.result()
  assert result['ap'] == result['ap50'] == pytest.approx(100) == result['ap_class/car']
  assert 'ap75' not in result and 'AP50' in result['table'] and 'AP75' not in result['table']


def test_metrics_that_can_choose_a_checkpoint():
  expected = {'mask2former_cityscapes_instance': False, 'mask2former_coco_instance': True}
  for name, has in expected.items():
    experiment = published.build(name)
    known = build_task(experiment.task, experiment.runtime).metric_names()
    assert ('ap75' in known) == has and {'ap', 'ap50'} <= set(known)
