"""Known data sets from their owners' layouts: every pixel is what the official tables say."""

from typing import NamedTuple

import numpy as np
import pytest

from tests.dataloaders import small_coco
from tests.dataloaders.preparation.known import miniatures
from tests.dataloaders.preparation.known.miniatures import VOID
from tests.evaluation import instance_ap_test
from tests.evaluation import panoptic_quality_test
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import known_data_sets
from tf_maskformer.scripts import prepare_data
from tf_maskformer.tasks.scores import Scores

# Layout, task, kinds of scores.
CASES = [
    ('ade20k', 'semantic', ['semantic']),
    ('ade20k', 'panoptic', ['panoptic', 'semantic', 'instance']),
    ('ade20k', 'instance', ['instance']),
    ('ade20k_full', 'semantic', ['semantic']),
    ('cityscapes', 'semantic', ['semantic']),
    ('cityscapes', 'panoptic', ['panoptic', 'semantic', 'instance']),
    ('cityscapes', 'instance', ['instance']),
    ('coco_stuff10k', 'semantic', ['semantic']),
    ('mapillary', 'semantic', ['semantic']),
    ('mapillary', 'panoptic', ['panoptic', 'semantic']),
    ('pascal_voc', 'semantic', ['semantic']),
    ('pascal_voc', 'instance', ['instance'])]


def prepare(layout, task, folder, *flags):
  """Converts what is in folder/data; returns the row of the data set."""
  targets = ['--targets=pixels'] if layout == 'cityscapes' else []
  prepare_data.main([layout, f'--root={folder}/data', f'--task={task}', '--workers=1',
                     f'--output={folder}/records', *targets, *flags])
  return catalog.get(known_data_sets.KNOWN[layout].data_sets[task])


def draw(layout, task, folder, **options):
  root = folder / 'data'
  root.mkdir()
  return miniatures.WRITERS[layout](root, task, **options)


def found_in(truth, image_id):
  example_id, = [e for e in truth.example_ids if truth.source_id(e) == image_id]
  id_map, segments = truth[example_id]
  classes = np.array([VOID] + [s['category_id'] for s in segments])[id_map]
  return example_id, id_map, classes, segments


def compare(truth, drawn):
  """Compares an image of the records, pixel by pixel, with what was drawn."""
  _, id_map, classes, segments = found_in(truth, drawn.id)
  np.testing.assert_array_equal(classes, drawn.classes)
  assert not any(s['iscrowd'] for s in segments)
  for number in np.unique(drawn.numbers[drawn.numbers > 0]):
    ids = id_map[drawn.numbers == number]
    assert len(set(ids.tolist())) == 1, f'{number} is not one segment'
    assert (id_map == ids[0]).sum() == ids.size, f'{number} is not a segment of its own'


def score(row, truth, kinds, shift=0):
  """Scores the truth, moved by `shift`, as a prediction; returns the metrics by name."""
  evaluation = Evaluation(
      panoptic='panoptic' in kinds, semantic='semantic' in kinds, instance='instance' in kinds,
      confident_pixels_only=True)
  scores = Scores(evaluation, row, truth)
  for example_id in truth.example_ids:
    id_map, segments = truth[example_id]
    masks = np.roll([id_map == s['id'] for s in segments], shift, axis=2)
    class_logits = 40.0 * np.eye(row.num_classes + 1)[[s['category_id'] for s in segments]]
    size = np.array(id_map.shape)
    scores.add({
        'example_id': example_id, 'padded_size': size, 'image_size': size, 'original_size': size,
        'loss': 0.0, 'class_logits': class_logits.astype(np.float32),
        'mask_logits': (80.0 * masks - 40).astype(np.float32)})
  return scores.result()


@pytest.mark.parametrize('layout, task, kinds', CASES)
def test_every_pixel_and_perfect_scores(layout, task, kinds, tmp_path):
  drawn = draw(layout, task, tmp_path)
  row = prepare(layout, task, tmp_path)
  truths = {split: GroundTruth(f'{tmp_path}/records/{split}*', row.name)
            for split in ('train', 'val')}
  for one in drawn:
    if task == 'semantic' and layout != 'cityscapes':
      one = one._replace(numbers=np.zeros_like(one.numbers))
    compare(truths[one.split], one)
  assert {s: len(t) for s, t in truths.items()} == {
      split: sum(one.split == split for one in drawn) for split in ('train', 'val')}
  result = score(row, truths['val'], kinds)
  names = {
      'panoptic': ['pq_all', 'pq_things', 'pq_stuff'], 'semantic': ['miou'], 'instance': ['ap']}
  for name in (name for kind in kinds for name in names[kind]):
    assert result[name] == pytest.approx(100), name


@pytest.mark.parametrize('layout, task, kinds', CASES)
def test_shifted_predictions_score_what_the_rules_say(layout, task, kinds, tmp_path):
  """Scores of the truth, moved by some pixels, against slow twins of the rules and pycocotools.

  The scripts of Cityscapes are compared in tests/evaluation.
  """
  draw(layout, task, tmp_path)
  row = prepare(layout, task, tmp_path)
  truth = GroundTruth(f'{tmp_path}/records/val*', row.name)
  found = score(row, truth, kinds, shift=3)
  images = [moved(truth, example_id, 3) for example_id in truth.example_ids]
  if 'panoptic' in kinds:
    sums = np.zeros([row.num_classes, 4])
    for image in images:
      panoptic_quality_test.slow_update(
          sums, image.true_map, image.true_segments, image.id_map, image.segments, False)
    seen = sums[sums[:, 1:].any(axis=1)]
    pq = seen[:, 0] / (seen[:, 1] + seen[:, 2] / 2 + seen[:, 3] / 2)
    assert found['pq_all'] == pytest.approx(100 * pq.mean()) and 0 < found['pq_all'] < 100
  if 'semantic' in kinds and row.semantic_rule != 'cityscapes':
    ious = []
    for c in range(row.num_classes):
      pairs = [(image.true_classes == c, image.classes == c, image.true_classes >= 0)
               for image in images]
      both = sum((a & b).sum() for a, b, _ in pairs)
      either = sum(((a | b) & known).sum() for a, b, known in pairs)
      if any(a.any() for a, _, _ in pairs):
        ious.append(both / either)
    assert found['miou'] == pytest.approx(100 * np.mean(ious)) and 0 < found['miou'] < 100
  if 'instance' in kinds and row.instance_rule != 'cityscapes':
    things = row.thing_classes
    pairs = []
    for image in images:
      true = [r for r in truth.instances(image.example_id) if r['category_id'] in things]
      predicted = [
          {'category_id': s['category_id'], 'mask': image.id_map == s['id'], 'score': 1.0}
          for s in image.segments if s['category_id'] in things]
      pairs.append((true, predicted))
    assert len({image.id_map.shape for image in images}) == 1
    wanted = instance_ap_test.official(pairs, images[0].id_map.shape, row.num_classes)
    names = ['ap', 'ap50', 'ap75']
    np.testing.assert_allclose([found[name] for name in names], wanted[:3])
    assert 0 < found['ap'] < 100


class Moved(NamedTuple):
  """An image's truth, and the same moved to the right as a prediction."""
  example_id: int
  true_map: np.ndarray
  true_segments: list
  true_classes: np.ndarray
  id_map: np.ndarray
  segments: list
  classes: np.ndarray


def moved(truth, example_id, shift):
  true_map, segments = truth[example_id]
  classes = np.array([VOID] + [s['category_id'] for s in segments])[true_map]
  id_map = np.roll(true_map, shift, axis=1)
  remaining = [s for s in segments if (id_map == s['id']).any()]
  # Where no mask is, every class scores nearly nothing: the one of the most masks wins.
  most = np.bincount([s['category_id'] for s in segments]).argmax()
  labels = np.roll(np.where(classes == VOID, most, classes), shift, axis=1)
  return Moved(example_id, true_map, segments, classes, id_map, remaining, labels)


def test_ade20k_panoptic_as_published(tmp_path):
  train, *val = draw('ade20k', 'panoptic', tmp_path)
  prepare('ade20k', 'panoptic', tmp_path)
  truth = GroundTruth(f'{tmp_path}/records/train*', 'ade20k')
  _, _, classes, segments = found_in(truth, train.id)
  # Stuff keeps the area that it had before a person was painted over one of its two cells.
  area = {s['category_id']: s['area'] for s in segments if s['category_id'] == 0}
  assert area == {0: 512} and (classes == 0).sum() == 256
  # AP is measured against the instances, which the records of the validation split hold.
  assert truth.instance_source == 'segments'
  truth = GroundTruth(f'{tmp_path}/records/val*', 'ade20k')
  assert truth.instance_source == 'instances'
  for one in val:
    instances = truth.instances(found_in(truth, one.id)[0])
    assert [(i['category_id'], int(i['area'])) for i in instances] == [
        (7, 256), (7, 256), (12, 512), (149, 256), (8, 256)]
    for instance, number in zip(instances, (1, 2, 3, 4, 250)):
      np.testing.assert_array_equal(instance['mask'], one.numbers == number)


def test_the_published_miou_of_ade20k_panoptic_is_against_the_labels(tmp_path):
  draw('ade20k', 'panoptic', tmp_path)
  prepare('ade20k', 'panoptic', tmp_path)
  labels = str(tmp_path / 'data/annotations/validation')
  truth = GroundTruth(f'{tmp_path}/records/val*', 'ade20k', semantic_labels=labels)
  # A bed without an instance is void among the segments; the label knows it.
  _, *val = miniatures.ade20k(tmp_path / 'again', 'semantic')
  for one in val:
    example_id, _, classes, _ = found_in(truth, one.id)
    np.testing.assert_array_equal(truth.labels(example_id, one.classes.shape), one.classes)
    assert ((one.classes == 7) & (classes == VOID)).sum() == 256


def test_both_versions_of_coco_stuff_are_the_same(tmp_path):
  drawn = draw('coco_stuff10k', 'semantic', tmp_path, version='1.0')
  prepare('coco_stuff10k', 'semantic', tmp_path)
  truth = GroundTruth(f'{tmp_path}/records/val*', 'coco_stuff10k')
  for one in drawn:
    if one.split == 'val':
      compare(truth, one)


@pytest.mark.parametrize('layout, kinds', [
    ('coco_panoptic', ['panoptic', 'semantic']), ('coco_instances', ['instance'])])
def test_coco_from_its_root(layout, kinds, tmp_path):
  small_coco.write(tmp_path / 'data')
  flags = [f'--output={tmp_path}/records', '--workers=1', '--split=val']
  prepare_data.main([layout, f'--root={tmp_path}/data', *flags])
  row = catalog.get(dict(coco_panoptic='coco_panoptic', coco_instances='coco_instance')[layout])
  truth = GroundTruth(f'{tmp_path}/records/val*', row.name)
  assert len(truth) == len(small_coco.IMAGE_IDS)
  assert not list((tmp_path / 'records').glob('train*'))
  if layout == 'coco_panoptic':
    result = score(row, truth, kinds)
    assert result['pq_all'] > 99.9 and result['miou'] > 99.9
  with pytest.raises(UserError, match='instances_train2017.json is missing; it comes from annot'):
    prepare_data.main(['coco_instances', f'--root={tmp_path}/data', f'--output={tmp_path}/a'])


@pytest.mark.parametrize('layout, task, part, message', [
    ('ade20k', 'semantic', 'annotations', 'annotations/training is missing; it comes from ADECh'),
    ('ade20k', 'panoptic', 'annotations_instance', 'comes from annotations_instance.tar of '),
    ('ade20k', 'instance', 'annotations_instance/validation', '/validation is missing; it comes'),
    ('ade20k_full', 'semantic', 'images/ADE/validation', 'comes from ADE20K_2021_17_01.zip'),
    ('cityscapes', 'panoptic', 'gtFine/val', 'gtFine/val is missing; it comes from gtFine_train'),
    ('coco_stuff10k', 'semantic', 'imageLists/test.txt', 'test.txt is missing; it comes from coco'),
    ('mapillary', 'panoptic', 'training/panoptic/panoptic_2018.json', 'panoptic_2018.json is miss'),
    ('mapillary', 'semantic', 'validation/labels', 'labels is missing; it comes from Mapillary'),
    ('pascal_voc', 'instance', 'VOCdevkit/VOC2012/SegmentationObject', 'comes from VOCtrainval_'),
    ('pascal_voc', 'semantic', 'VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt', 'val.txt is ')])
def test_a_missing_part_is_named(layout, task, part, message, tmp_path):
  draw(layout, task, tmp_path)
  (tmp_path / 'data' / part).rename(tmp_path / 'elsewhere')
  with pytest.raises(UserError, match=message):
    prepare(layout, task, tmp_path)
  assert not (tmp_path / 'records').exists()


def test_the_data_set_says_the_task(tmp_path):
  draw('cityscapes', 'instance', tmp_path)
  prepare_data.main(['cityscapes', f'--root={tmp_path}/data', '--data_set=cityscapes_instance',
                     f'--output={tmp_path}/records', '--split=val', '--workers=1'])
  description = catalog.describe(str(tmp_path / 'records'))
  assert (description.task, description.data_set.num_classes) == ('instance', 8)


def test_one_split_needs_nothing_of_the_other(tmp_path):
  draw('ade20k', 'panoptic', tmp_path)
  (tmp_path / 'data/annotations_instance/training').rename(tmp_path / 'elsewhere')
  prepare('ade20k', 'panoptic', tmp_path, '--split=val')
  assert len(GroundTruth(f'{tmp_path}/records/val*', 'ade20k')) == 2


def test_the_folder_above_is_a_root_too(tmp_path):
  (tmp_path / 'data').mkdir()
  miniatures.ade20k(tmp_path / 'data/ADEChallengeData2016', 'semantic')
  prepare('ade20k', 'semantic', tmp_path)
  miniatures.pascal_voc(tmp_path / 'voc', 'semantic')
  prepare_data.main(['pascal_voc', f'--root={tmp_path}/voc/VOCdevkit/VOC2012', '--task=semantic',
                     f'--output={tmp_path}/voc_records', '--workers=1'])
  assert len(GroundTruth(f'{tmp_path}/voc_records/val*', 'pascal_voc')) == 2


@pytest.mark.parametrize('flags, message', [
    ('ade20k', 'ade20k needs --root, the folder ADEChallengeData2016'),
    ('ade20k --root=a', 'ade20k needs --task: semantic, panoptic, instance'),
    ('mapillary --root=a --task=instance', 'mapillary is not prepared for --task instance; give'),
    ('ade20k --root=a --task=semantic --data_set=mapillary', '--data_set mapillary does not go'),
    ('ade20k --root=a --task=semantic', '--root a is not a directory'),
    ('cityscapes --root=a --task=panoptic --data_set=cityscapes_instance', 'does not go with city'),
    ('semantic --root=a', '--root has no effect on semantic'),
    ('cityscapes --root=a --cityscapes_root=b', 'either --root or --cityscapes_root'),
    ('ade20k --root=a --task=semantic --images=b', 'either --root or --images'),
    ('coco_panoptic --coco_root=a --task=panoptic', '--task goes with --root'),
    ('ade20k --root=a --task=semantic --split=test', '--split test is not train or val'),
    ('ade20k --root=a --task=semantic --lists=a,b', '--lists has no effect on ade20k'),
    ('pascal_voc --root=a --task=semantic --lists=trainaug', '--lists trainaug is not two names')])
def test_flags(flags, message, tmp_path):
  with pytest.raises(UserError, match=message):
    prepare_data.main([*flags.split(), f'--output={tmp_path}/records'])
  assert not (tmp_path / 'records').exists()
