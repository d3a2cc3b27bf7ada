"""What `predict` writes is scored as it is, by each task; Cityscapes' rules where they hold."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.dataloaders import small_coco
from tests.tasks import scores_test
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders.preparation import cityscapes
from tf_maskformer.dataloaders.preparation import coco_panoptic
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError
from tf_maskformer.evaluation.run_lengths import encode
from tf_maskformer.scripts import evaluate_predictions
from tf_maskformer.serving import encoding
from tf_maskformer.serving.collection import Collection
from tf_maskformer.serving.result import Result

DATA_SET = 'coco_panoptic'


@pytest.fixture(scope='module', name='records')
def convert(tmp_path_factory):
  root = small_coco.write(tmp_path_factory.mktemp('coco'))
  annotations = root / 'annotations'
  source = coco_panoptic.CocoPanoptic(
      str(root / 'val2017'), str(annotations / 'panoptic_val2017.json'),
      str(annotations / 'panoptic_val2017'))
  output = tmp_path_factory.mktemp('records')
  shards.convert(source, str(output), 'val', 1, 1)
  return f'{output}/val*'


def predict(records, folder, task):
  """Writes what `predict` writes where it finds the truth, crowds too."""
  truth, data_set = ground_truth.GroundTruth(records, DATA_SET), catalog.get(DATA_SET)
  collection = Collection()
  for example_id in truth.example_ids:
    id_map, segments = truth[example_id]
    image = truth.image(example_id)
    rows, instances = [], []
    for segment in segments:
      category = segment['category_id']
      is_thing = category in data_set.thing_classes
      if task == 'instance' and not is_thing:
        continue
      mask = id_map == segment['id']
      instances.append({'category_id': category, 'score': 0.9, 'mask': mask})
      rows.append({'id': segment['id'], 'category_id': category, 'isthing': is_thing,
                   'score': 0.9, **({'mask': mask} if task == 'instance' else {})})
    if task == 'semantic':
      class_of = np.array([-1] + [s['category_id'] for s in segments])
      id_map = class_of[id_map].astype(np.int32) + 1
      rows = [{'id': int(i), 'category_id': int(i) - 1, 'isthing': False}
              for i in np.unique(id_map) if i]
    result = Result(truth.source_id(example_id), image, id_map, rows, data_set, task,
                    instances if task == 'instance' else ())
    name = f'{int(result.name):012d}'
    result.save_images(folder, name)
    collection.add(result, name)
  collection.write(folder)


def run(predictions, truth, output, *more):
  evaluate_predictions.main([
      f'--predictions={predictions}', f'--truth={truth}', f'--output={output}', *more])
  return json.loads((output / 'results.json').read_text())


@pytest.mark.parametrize('task, wanted, score', [
    ('panoptic', None, 'pq_all'), ('panoptic', 'semantic', 'miou'), ('panoptic', 'instance', 'ap'),
    ('instance', None, 'ap'), ('semantic', None, 'miou')])
def test_what_predict_writes(records, tmp_path, task, wanted, score):
  predict(records, tmp_path / 'found', task)
  more = [f'--data_set={DATA_SET}', *([f'--task={wanted}'] if wanted else [])]
  content = run(tmp_path / 'found', records, tmp_path / 'out', *more)
  assert content['task'] == (wanted or task)
  assert content['metrics'][score] == pytest.approx(100)
  assert content['images'] == len(small_coco.IMAGE_IDS)


def test_nothing_is_left_of_a_failed_run(records, tmp_path):
  predict(records, tmp_path / 'found', 'panoptic')
  next((tmp_path / 'found').glob('*11_labels.png')).write_bytes(b'')
  with pytest.raises(UserError, match='image 11: .*11_labels.png cannot be decoded'):
    run(tmp_path / 'found', records, tmp_path / 'out', f'--data_set={DATA_SET}', '--task=semantic')
  assert not (tmp_path / 'out').exists()


def test_cityscapes_has_its_own_rules(tmp_path):
  root = tmp_path / 'city'
  scores_test.write_city(root)
  for name in ('cityscapes', 'cityscapes_instance'):
    folder = tmp_path / name
    shards.convert(cityscapes.splits(str(root), name)['val'], str(folder), 'val', 1, 1)
    truth, data_set = ground_truth.GroundTruth(f'{folder}/val*', name), catalog.get(name)
    example_id, = truth.example_ids
    rows = []
    for one in truth.instances(example_id):
      if one['category_id'] in data_set.thing_classes:
        rows.append({
            'image_id': truth.source_id(example_id), 'score': 0.5,
            'category_id': data_set.classes[one['category_id']].id,
            'segmentation': encoding.runs_as_text(encode(one['mask']))})
    (tmp_path / 'results.json').write_text(json.dumps(rows))
    content = run(
        tmp_path / 'results.json', f'{folder}/val*', tmp_path / 'out', f'--data_set={name}')
    assert content['metrics']['ap'] == content['metrics']['ap50'] == pytest.approx(100)
    assert 'ap75' not in content['metrics']
  # Labels by Cityscapes' rule, with iIoU; official values.
  values = np.array(Image.open(next((root / 'gtFine').rglob('*_instanceIds.png'))))
  label = np.where(values >= 1000, values // 1000, values).astype(np.uint8)
  path = tmp_path / f'labels/{truth.source_id(example_id)}.png'
  path.parent.mkdir(parents=True)
  Image.fromarray(label).save(path)
  flags = [f'{tmp_path}/cityscapes/val*', tmp_path / 'out', '--data_set=cityscapes']
  with pytest.raises(UserError, match='--prediction_values'):
    run(tmp_path / 'labels', *flags)
  content = run(tmp_path / 'labels', *flags, '--prediction_values=label')
  assert content['metrics']['miou'] == content['metrics']['iiou'] == 100
