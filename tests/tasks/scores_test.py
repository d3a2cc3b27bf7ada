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
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.postprocessing.answer import Answer
from tf_maskformer.modeling.postprocessing.instance import instances
from tf_maskformer.modeling.postprocessing.panoptic import panoptic
from tf_maskformer.modeling.postprocessing.semantic import semantic_labels
from tf_maskformer.modeling.postprocessing.sizes import Sizes
from tf_maskformer.tasks import evaluators
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


@pytest.mark.parametrize('kinds', [
    ('panoptic',), ('semantic',), ('instance',), ('panoptic', 'semantic', 'instance')])
def test_scores_are_those_of_numpys_answers(root, tmp_path, kinds):
  """Answers of the graph on several threads, against each image's by NumPy, one after the other."""
  shards.convert(cityscapes.splits(str(root), 'cityscapes')['val'], str(tmp_path), 'val', 1, 1)
  truth, row = ground_truth.GroundTruth(f'{tmp_path}/val*', 'cityscapes'), catalog.get('cityscapes')
  evaluation = Evaluation(
      **{'panoptic': False, **dict.fromkeys(kinds, True)}, object_mask_threshold=0.1,
      overlap_threshold=0.1)
  rng = np.random.default_rng(0)
  several = Scores(evaluation, row, truth)
  counted = evaluators.build(evaluation, row, truth)
  for _ in range(12):
    output = {
        'example_id': truth.example_ids[0], 'padded_size': (160, 320), 'image_size': (150, 300),
        'original_size': SIZE, 'loss': 1.0, **nearly_right(rng, *truth[truth.example_ids[0]], row)}
    several.add(output)
    sample = evaluators.Sample(
        truth.example_ids[0], answer_of_numpy(evaluation, output, row),
        *truth[truth.example_ids[0]])
    for evaluator in counted:
      evaluator.add(evaluator.contributions(sample))
  found = several.result()
  for evaluator in counted:
    wanted, _ = evaluator.result()
    for name, value in wanted.items():
      assert found[name] == pytest.approx(value, rel=1e-9, nan_ok=True), name
  best = {'panoptic': 'pq_all', 'semantic': 'miou', 'instance': 'ap'}
  assert all(0 < found[best[kind]] < 100 for kind in kinds)


def nearly_right(rng, id_map, segments, row):
  """Logits of 30 queries, some of which find a segment, their edges uncertain."""
  small = id_map[::4, ::4]
  masks = rng.normal(-3, 2, [30, 40, 80]).astype(np.float32)
  classes = rng.normal(size=[30, row.num_classes + 1]).astype(np.float32)
  for query, segment in enumerate(segments):
    masks[query, :small.shape[0], :small.shape[1]] += 7 * (small == segment['id'])
    classes[query, segment['category_id']] += 6
  return {'class_logits': classes, 'mask_logits': masks}


def answer_of_numpy(evaluation, output, row):
  sizes = Sizes.of(*(output[name] for name in ('padded_size', 'image_size', 'original_size')))
  logits = output['class_logits'], output['mask_logits']
  id_map, segments = panoptic(
      *logits, sizes, row.thing_classes, evaluation.object_mask_threshold,
      evaluation.overlap_threshold, evaluation.confident_pixels_only)
  resize_first = evaluation.panoptic or evaluation.instance
  labels = semantic_labels(*logits, sizes, resize_first)
  found = instances(
      *logits, sizes, evaluation.instances_per_image,
      row.thing_classes if evaluation.panoptic else None)
  return Answer(SIZE, id_map, segments, labels, found)


def test_a_fault_of_the_truth_ends_the_evaluation(root, tmp_path):
  shards.convert(cityscapes.splits(str(root), 'cityscapes')['val'], str(tmp_path), 'val', 1, 1)
  truth, row = ground_truth.GroundTruth(f'{tmp_path}/val*', 'cityscapes'), catalog.get('cityscapes')
  rng = np.random.default_rng(0)
  one = Scores(Evaluation(), row, truth)
  output = {
      'example_id': truth.example_ids[0], 'padded_size': (160, 320), 'image_size': (150, 300),
      'original_size': SIZE, 'loss': 1.0, **nearly_right(rng, *truth[truth.example_ids[0]], row)}
  record, = tmp_path.glob('val*.tfrecord*')
  data = bytearray(record.read_bytes())
  data[len(data) // 2] ^= 255
  record.write_bytes(data)
  with pytest.raises(UserError, match=record.name):
    for _ in range(100):
      one.add(output)
    one.result()


def test_metrics_that_can_choose_a_checkpoint():
  expected = {'mask2former_cityscapes_instance': False, 'mask2former_coco_instance': True}
  for name, has in expected.items():
    experiment = published.build(name)
    known = build_task(experiment.task, experiment.runtime).metric_names()
    assert ('ap75' in known) == has and {'ap', 'ap50'} <= set(known)
