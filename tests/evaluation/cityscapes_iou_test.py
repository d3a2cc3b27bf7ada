"""Cityscapes' IoU and iIoU: equal to the official script, which reads label and instance images."""

import copy

import numpy as np
import pytest
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official
from cityscapesscripts.helpers import labels
from PIL import Image

from tests.evaluation import spread
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders.preparation import cityscapes
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.evaluation.cityscapes_iou import CityscapesIoU
from tf_maskformer.evaluation.mean_iou import MeanIoU

ROAD, SKY, EGO_VEHICLE, CAR, CARAVAN, TRAIN = 7, 23, 1, 26, 29, 31
THINGS = (24, 25, CAR, 33)
NAMES = [f'ulm_{i:06d}_000019' for i in range(6)]
CLASSES = catalog.get('cityscapes').classes


def draw_instances(rng):
  """An instance label image: stuff, void, groups, things that hide each other, a caravan."""
  image = np.full([96, 128], ROAD, np.uint16)
  image[:30] = SKY
  image[80:, 30:90] = EGO_VEHICLE
  image[40:60, :20] = CAR  # a group
  image[60:70, :9] = CARAVAN
  for value in [rng.choice(THINGS) * 1000 + k for k in range(9)] + [CARAVAN * 1000]:
    top, left = rng.integers(0, [90, 120])
    image[top:top + rng.integers(1, 40), left:left + rng.integers(1, 40)] = value
  return image


def draw_prediction(rng, truth):
  """Label ids, mostly right; a train is predicted that the truth never holds."""
  known = np.array([c.id for c in CLASSES if c.id not in (TRAIN, 19)])
  right = np.isin(truth, known) & (rng.random(truth.shape) < 0.7)
  predicted = np.where(right, truth, rng.choice(known, truth.shape))
  predicted[5:9, 5:9] = TRAIN
  predicted[45:55, 10:30] = 0  # unlabeled: nothing is predicted
  return predicted.astype(np.uint8)


def official_result(folder, drawn, predictions):
  """The official script over files."""
  pairs = []
  for name, instances, predicted in zip(NAMES, drawn, predictions):
    truth = folder / f'{name}_gtFine_labelIds.png'
    of_labels = np.where(instances < 1000, instances, instances // 1000).astype(np.uint8)
    Image.fromarray(of_labels).save(truth)
    Image.fromarray(instances).save(folder / f'{name}_gtFine_instanceIds.png')
    Image.fromarray(predicted).save(folder / f'{name}_prediction.png')
    pairs.append((str(folder / f'{name}_prediction.png'), str(truth)))
  args = copy.copy(official.args)
  args.quiet, args.JSONOutput = True, False
  return official.evaluateImgLists(*map(list, zip(*pairs)), args)


def convert(folder, drawn):
  """Records of the drawn instance images, and their truth."""
  for below in ('gtFine/val/ulm', 'leftImg8bit/val/ulm'):
    (folder / below).mkdir(parents=True)
  for name, instances in zip(NAMES, drawn):
    Image.fromarray(instances).save(folder / f'gtFine/val/ulm/{name}_gtFine_instanceIds.png')
    Image.fromarray(np.zeros([*instances.shape, 3], np.uint8)).save(
        folder / f'leftImg8bit/val/ulm/{name}_leftImg8bit.png')
  source = cityscapes.splits(str(folder), 'cityscapes')['val']
  shards.convert(source, str(folder / 'records'), 'val', 1, 1)
  return ground_truth.GroundTruth(f'{folder}/records/val*', 'cityscapes')


def test_equal_to_the_official_script(tmp_path, monkeypatch):
  monkeypatch.setattr(np, 'in1d', np.isin, raising=False)  # which NumPy has given up
  rng = np.random.default_rng(0)
  drawn = [draw_instances(rng) for _ in NAMES]
  predictions = [
      draw_prediction(rng, np.where(d < 1000, d, d // 1000)) for d in drawn]
  wanted = official_result(tmp_path, drawn, predictions)

  truth = convert(tmp_path, drawn)
  class_of = np.full(256, -1)
  class_of[[c.id for c in CLASSES]] = range(len(CLASSES))
  names = [c.name for c in CLASSES]
  whole, plain, images = CityscapesIoU(names), MeanIoU(19), []
  for i, example_id in enumerate(truth.example_ids):
    id_map, segments = truth[example_id]
    classes = np.array([-1] + [s['category_id'] for s in segments])[id_map]
    predicted = class_of[predictions[i]]
    images.append((classes, predicted, id_map, truth.cityscapes_values(example_id)))
    whole.update(*images[-1])
    plain.update(classes, predicted)
  for places in (1, 2, 3):
    elsewhere = spread.over(places, lambda: CityscapesIoU(names), images)
    assert elsewhere.result() == whole.result()
  result = whole.result()
  for name, key in (('miou', 'averageScoreClasses'), ('iiou', 'averageScoreInstClasses'),
                    ('category_iou', 'averageScoreCategories'),
                    ('category_iiou', 'averageScoreInstCategories')):
    assert result[name] == pytest.approx(100 * wanted[key], rel=1e-9)
    assert 15 < result[name] < 90
  of_classes = {CLASSES[c].name: row for c, row in result['per_class'].items()}
  for rows, kinds in ((of_classes, ('classScores', 'classInstScores')),
                      (result['per_category'], ('categoryScores', 'categoryInstScores'))):
    for measure, kind in zip(('iou', 'iiou'), kinds):
      assert {n: r[measure] for n, r in rows.items() if measure in r} == {
          n: pytest.approx(100 * v, rel=1e-9) for n, v in wanted[kind].items() if not np.isnan(v)}
  # The script counts a class that is only predicted, detectron2's rule does not.
  assert of_classes['train'] == {'iou': 0.0, 'iiou': 0.0}
  assert result['miou'] < plain.result()['miou'] and result['pacc'] == plain.result()['pacc']


def test_no_instances_no_iiou():
  scores = CityscapesIoU(['road', 'car'])
  truth = np.array([[0, 0, 1, -1]])
  scores.update(truth, np.array([[0, 1, 1, 1]]), np.array([[1, 1, 2, 0]]), np.array([0, 0]))
  result = scores.result()
  assert result['miou'] == pytest.approx(50.0) == result['category_iou']
  assert result['per_class'] == {0: {'iou': 50.0}, 1: {'iou': 50.0}}
  assert 'iiou' not in result and 'category_iiou' not in result


def test_by_hand():
  """A car of four pixels, half of it found; two false ones on the road; a caravan is void."""
  scores = CityscapesIoU(['road', 'car', 'bus'])
  truth = np.array([[1, 1, 1, 1, 0, 0, -1]])
  predicted = np.array([[1, 1, 2, 0, 1, 1, 1]])
  instance_map = np.array([[1, 1, 1, 1, 0, 0, 2]])
  scores.update(truth, predicted, instance_map, np.array([CAR * 1000 + 5, CARAVAN * 1000]))
  weight = 12794.0202738185 / 4
  result = scores.result()
  assert result['per_class'][1] == {
      'iou': pytest.approx(100 / 3), 'iiou': pytest.approx(100 * 2 * weight / (4 * weight + 2))}
  # Predicted as a bus it is still a vehicle.
  assert result['per_category']['vehicle'] == {
      'iou': pytest.approx(50.0), 'iiou': pytest.approx(100 * 3 * weight / (4 * weight + 2))}


def test_all_labels_of_the_data_set_are_evaluated():
  assert {c.name for c in CLASSES} == {x.name for x in labels.labels if not x.ignoreInEval}
