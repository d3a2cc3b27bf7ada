"""Cityscapes' average precision: equal to the official script, which reads files."""

import copy

import numpy as np
import pytest
from cityscapesscripts.evaluation import evalInstanceLevelSemanticLabeling as official
from cityscapesscripts.helpers import labels
from PIL import Image

from tests.evaluation import spread
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders.preparation import cityscapes
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.evaluation.cityscapes_ap import CityscapesAP

THINGS = ('person', 'rider', 'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle')
CAR, ROAD, SKY, EGO_VEHICLE, CARAVAN = 26, 7, 23, 1, 29
IMAGES = [f'ulm_{i:06d}_000019' for i in range(8)]


def draw_label(rng):
  """An instance label image: stuff, void, groups, things that hide each other, a caravan."""
  label = np.full([96, 128], ROAD, np.uint16)
  label[:30] = SKY
  label[80:, 30:90] = EGO_VEHICLE
  label[40:60, :20] = CAR  # a group
  values = [rng.choice([24, 25, CAR, 33]) * 1000 + k for k in range(9)] + [CARAVAN * 1000]
  for value in values:
    top, left = rng.integers(0, [80, 110])
    label[top:top + rng.integers(6, 40), left:left + rng.integers(6, 40)] = value
  return label


def draw_predictions(rng, label):
  """Instances moved a little, some with another class or twice, and some out of nothing."""
  found = []
  for value in np.unique(label[label >= 1000]).tolist() + [CAR, EGO_VEHICLE]:
    for _ in range(rng.integers(0, 3)):
      mask = np.roll(label == value, tuple(rng.integers(-3, 4, 2)), (0, 1))
      name = labels.id2label[value // 1000].name if value >= 1000 else 'car'
      found.append({'name': name if name in THINGS and rng.random() < 0.8 else 'car', 'mask': mask,
                    'score': float(np.round(rng.random(), 1))})  # ties too
  found.append({'name': 'rider', 'mask': np.zeros(label.shape, bool), 'score': 0.9})
  return found


def official_result(folder, predictions):
  """The official script over files."""
  truth = [folder / f'gtFine/val/ulm/{name}_gtFine_instanceIds.png' for name in IMAGES]
  lists = []
  for name, found in zip(IMAGES, predictions):
    lines = []
    for k, row in enumerate(found):
      Image.fromarray(row['mask'].astype(np.uint8) * 255).save(folder / f'{name}_{k}.png')
      lines.append(f'{name}_{k}.png {labels.name2label[row["name"]].id} {row["score"]}\n')
    (folder / f'{name}.txt').write_text(''.join(lines))
    lists.append(str(folder / f'{name}.txt'))
  args = copy.copy(official.args)
  args.predictionPath, args.quiet, args.JSONOutput = str(folder), True, False
  args.gtInstancesFile = str(folder / 'instances.json')
  return official.evaluateImgLists(lists, [str(path) for path in truth], args)['averages']


@pytest.mark.parametrize('data_set', ['cityscapes', 'cityscapes_instance'])
def test_equal_to_the_official_script(tmp_path, monkeypatch, data_set):
  # It would write files into the current folder.
  monkeypatch.setattr(official, 'writeDict2JSON', lambda *_: None)
  monkeypatch.setattr(np, 'in1d', np.isin, raising=False)  # which NumPy has given up
  rng = np.random.default_rng(0)
  for folder in ('gtFine/val/ulm', 'leftImg8bit/val/ulm'):
    (tmp_path / folder).mkdir(parents=True)
  drawn = [draw_label(rng) for _ in IMAGES]
  for name, label in zip(IMAGES, drawn):
    Image.fromarray(label).save(tmp_path / f'gtFine/val/ulm/{name}_gtFine_instanceIds.png')
    Image.fromarray(np.zeros([*label.shape, 3], np.uint8)).save(
        tmp_path / f'leftImg8bit/val/ulm/{name}_leftImg8bit.png')
  predictions = [draw_predictions(rng, label) for label in drawn]
  wanted = official_result(tmp_path, predictions)

  source = cityscapes.splits(str(tmp_path), data_set)['val']
  shards.convert(source, str(tmp_path / 'records'), 'val', 1, 1)
  truth = ground_truth.GroundTruth(f'{tmp_path}/records/val*', data_set)
  rows = catalog.get(data_set)
  class_of = {c.name: i for i, c in enumerate(rows.classes)}
  make = lambda: CityscapesAP(rows.num_classes)
  whole, images = make(), []
  for i, example_id in enumerate(truth.example_ids):
    true = [r for r in truth.instances(example_id) if r['category_id'] in rows.thing_classes]
    found = [{**r, 'category_id': class_of[r['name']]} for r in predictions[i]]
    images.append((true, found, truth.void(example_id)))
    whole.update(*images[-1])
  result = whole.result()
  for places in (1, 2, 3):
    np.testing.assert_equal(spread.over(places, make, images).result(), result)
  assert 5 < result['ap'] < 95
  assert result['ap'] == pytest.approx(100 * wanted['allAp'])
  assert result['ap50'] == pytest.approx(100 * wanted['allAp50%'])
  assert {rows.classes[c].name: pytest.approx(v) for c, v in result['per_class'].items()} == {
      name: 100 * row['ap'] for name, row in wanted['classes'].items() if not np.isnan(row['ap'])}
  assert len(result['per_class']) == 4  # those that were drawn


def test_every_prediction_is_ignored():
  void, thing = np.zeros([30, 30], bool), np.zeros([30, 30], bool)
  void[:10], thing[15:] = True, True
  scores = CityscapesAP(1)
  scores.update([{'category_id': 0, 'mask': thing, 'iscrowd': False}],
                [{'category_id': 0, 'mask': void, 'score': 0.5}], void)
  assert scores.result() == {'ap': 0.0, 'ap50': 0.0, 'per_class': {0: 0.0}}


def test_nothing_in_the_truth():
  scores, empty = CityscapesAP(2), np.zeros([20, 20], bool)
  scores.update([], [{'category_id': 0, 'mask': ~empty, 'score': 0.5}], empty)
  result = scores.result()
  assert np.isnan(result['ap']) and result['per_class'] == {}
