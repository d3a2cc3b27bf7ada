"""Predictions in files: full marks for the truth, an independent tool's scores for others."""

import contextlib
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as mask_tools
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.dataloaders import small_coco
from tests.evaluation import panoptic_quality_test
from tf_maskformer import cli
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders.preparation import coco_panoptic
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import evaluate_predictions
from tf_maskformer.serving import encoding


@pytest.fixture(scope='module', name='coco')
def draw_coco(tmp_path_factory):
  return small_coco.write(tmp_path_factory.mktemp('coco')) / 'annotations'


def run(predictions, truth, output, *more):
  """Returns the metrics of predictions that are scored by the command."""
  evaluate_predictions.main([
      f'--predictions={predictions}', f'--truth={truth}', f'--output={output}', *more])
  return json.loads((output / 'results.json').read_text())['metrics']


def ids_of(path):
  return np.asarray(Image.open(path).convert('RGB')).astype(int) @ [1, 256, 65536]


def moved_panoptic(coco, folder, step, as_ids=True):
  """Writes a panoptic prediction: the truth, moved to the right."""
  (folder / 'moved').mkdir(parents=True, exist_ok=True)
  content = json.loads((coco / 'panoptic_val2017.json').read_text())
  rows = []
  for row in content['annotations']:
    id_map = np.roll(ids_of(coco / 'panoptic_val2017' / row['file_name']), step, axis=1)
    Image.fromarray(encoding.id_image(id_map)).save(folder / 'moved' / row['file_name'])
    infos = [{'id': s['id'], 'category_id': s['category_id']} for s in row['segments_info']
             if (id_map == s['id']).any()]
    name = row['image_id'] if as_ids else row['file_name'].removesuffix('.png')
    rows.append({'image_id': name, 'file_name': row['file_name'], 'segments_info': infos})
  (folder / 'moved.json').write_text(json.dumps({'annotations': rows}))
  return folder / 'moved.json'


@pytest.mark.parametrize('step, as_ids', [(0, True), (0, False), (3, True), (6, True)])
def test_panoptic(coco, tmp_path, step, as_ids, capsys):
  predictions = moved_panoptic(coco, tmp_path, step, as_ids)
  truth = coco / 'panoptic_val2017.json'
  found = run(predictions, truth, tmp_path / 'out')
  categories = [c['id'] for c in json.loads(truth.read_text())['categories']]
  expected = {}
  for prefix, of_boundaries in (('', False), ('boundary_', True)):
    sums = np.zeros([len(categories), 4])
    for row, own in zip(*(json.loads(path.read_text())['annotations']
                          for path in (truth, predictions))):
      segments = [[{**s, 'category_id': categories.index(s['category_id'])} for s in infos]
                  for infos in (row['segments_info'], own['segments_info'])]
      panoptic_quality_test.slow_update(
          sums, ids_of(coco / 'panoptic_val2017' / row['file_name']), segments[0],
          ids_of(tmp_path / 'moved' / own['file_name']), segments[1], of_boundaries)
    counted = sums[sums[:, 1:].sum(axis=1) > 0]
    quality = counted[:, 0] / (counted[:, 1] + counted[:, 2] / 2 + counted[:, 3] / 2)
    expected[prefix] = 100 * quality.mean()
  assert found['pq_all'] == pytest.approx(expected[''])
  assert found['boundary_pq_all'] == pytest.approx(expected['boundary_'])
  if not step:
    assert found['pq_all'] == found['boundary_pq_all'] == 100
  else:
    assert 0 < found['boundary_pq_all'] < found['pq_all'] < 100
  table = (tmp_path / 'out/results.md').read_text()
  assert '| boundary PQ |' in table and 'boundaries ' in capsys.readouterr().out


def results(coco, folder, step):
  """Writes COCO results: the instances but crowds, moved down, some as polygons."""
  coco_truth = COCO.__new__(COCO)
  with contextlib.redirect_stdout(io.StringIO()):
    coco_truth.__init__(str(coco / 'instances_val2017.json'))
  rng = np.random.default_rng(0)
  rows, as_runs = [], []
  for one in coco_truth.dataset['annotations']:
    if one['iscrowd']:
      continue
    mask = np.roll(coco_truth.annToMask(one), step, axis=0)
    runs = mask_tools.encode(np.asfortranarray(mask))
    row = {'image_id': one['image_id'], 'category_id': one['category_id'],
           'score': round(float(rng.random()), 2), 'segmentation': encoding.runs_as_text(runs)}
    as_runs.append(row)
    has_polygons = isinstance(one['segmentation'], list) and not step
    rows.append({**row, 'segmentation': one['segmentation']} if has_polygons else row)
  (folder / 'results.json').write_text(json.dumps(rows))
  return coco_truth, as_runs


@pytest.mark.parametrize('step', [0, 4])
def test_instances(coco, tmp_path, step):
  truth, rows = results(coco, tmp_path, step)
  found = run(tmp_path / 'results.json', coco / 'instances_val2017.json', tmp_path / 'out')
  with contextlib.redirect_stdout(io.StringIO()):
    evaluation = COCOeval(truth, truth.loadRes(rows), 'segm')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
  names = ('ap', 'ap50', 'ap75', 'ap_small', 'ap_medium', 'ap_large')
  expected = [100 * value if value > -1 else None for value in evaluation.stats[:6]]
  assert [found[name] for name in names] == pytest.approx(expected)
  if not step:
    assert found['ap'] == found['boundary_ap'] == pytest.approx(100)
  else:
    assert 0 < found['boundary_ap'] < found['ap'] < 100


def test_records_are_a_truth_of_everything(coco, tmp_path):
  images, records = coco.parent, tmp_path / 'records'
  source = coco_panoptic.CocoPanoptic(
      str(images / 'val2017'), str(coco / 'panoptic_val2017.json'), str(coco / 'panoptic_val2017'))
  shards.convert(source, str(records), 'val', 1, 1)
  pattern = f'{records}/val*'
  data_set = '--data_set=coco_panoptic'
  panoptic = run(coco / 'panoptic_val2017.json', pattern, tmp_path / 'a', data_set)
  assert panoptic['pq_all'] == 100
  rows = json.loads((coco / 'panoptic_val2017.json').read_text())['annotations']
  class_of = catalog.get('coco_panoptic').contiguous_ids
  for name, value_of in (('indices', class_of), ('ids', {c: c for c in class_of})):
    (tmp_path / name).mkdir()
    for row in rows:
      id_map = ids_of(coco / 'panoptic_val2017' / row['file_name'])
      label = np.full(id_map.shape, 255, np.uint8)
      for segment in row['segments_info']:
        label[id_map == segment['id']] = value_of[segment['category_id']]
      Image.fromarray(label).save(tmp_path / name / row['file_name'])
  assert run(tmp_path / 'indices', pattern, tmp_path / 'b', data_set)['miou'] == 100
  with pytest.raises(UserError, match='image 11: .*neither class nor void'):
    run(tmp_path / 'ids', pattern, tmp_path / 'b', data_set)
  with pytest.raises(UserError, match='no data_set.yaml next to .*--data_set'):
    run(tmp_path / 'ids', pattern, tmp_path / 'd')
  # Against the panoptic JSON alone the classes are its categories, and their ids the labels.
  truth = coco / 'panoptic_val2017.json'
  with pytest.raises(UserError, match='is 1 in the labels .* and 0 when classes are counted'):
    run(tmp_path / 'ids', truth, tmp_path / 'c')
  assert run(tmp_path / 'ids', truth, tmp_path / 'c', '--prediction_values=label')['miou'] == 100


YAML = 'classes: [background, crack, stain]\nvoid_labels: [255]\n'


@pytest.fixture(name='labels')
def draw_labels(tmp_path):
  """Two folders of labels, and the file of their data set."""
  rng = np.random.default_rng(0)
  (tmp_path / 'set.yaml').write_text(YAML)
  for name in ('a', 'deep/b'):
    for folder in ('truth', 'found'):
      path = tmp_path / folder / f'{name}.png'
      path.parent.mkdir(parents=True, exist_ok=True)
      values = np.array([0, 1, 2, 255] if folder == 'truth' else [0, 1, 2])
      Image.fromarray(rng.choice(values, [20, 30]).astype(np.uint8)).save(path)
  return tmp_path


def read(path):
  return np.asarray(Image.open(path)).astype(int)


def test_labels(labels):
  flag = f'--data_set={labels}/set.yaml'
  found = run(labels / 'found', labels / 'truth', labels / 'out', flag)
  truth, predicted = (
      np.concatenate([read(labels / folder / f'{name}.png') for name in ('a', 'deep/b')])
      for folder in ('truth', 'found'))
  known = truth != 255
  ious = []
  for c in range(3):
    a, b = (truth == c) & known, (predicted == c) & known
    ious.append((a & b).sum() / (a | b).sum())
  assert found['miou'] == pytest.approx(100 * np.mean(ious))
  assert found['iou_class/crack'] == pytest.approx(100 * ious[1])
  lines = (labels / 'out/confusion.csv').read_text().splitlines()
  assert lines[0] == 'truth / prediction,background,crack,stain'
  assert sum(int(n) for line in lines[1:] for n in line.split(',')[1:]) == known.sum()
  assert Image.open(labels / 'out/confusion.png').width > 100
  assert run(labels / 'truth', labels / 'truth', labels / 'out', flag)['miou'] == 100


def test_labels_without_a_prediction_in_places(labels):
  """Void in a prediction is wrong for the true class and counts for no other."""
  flag = f'--data_set={labels}/set.yaml'
  for folder in ('truth', 'found'):
    shutil.rmtree(labels / folder)
    (labels / folder).mkdir()
    values = np.zeros([2, 4], np.uint8)
    values[1] = 1
    if folder == 'found':
      values[1, :2] = 255
    Image.fromarray(values).save(labels / folder / 'a.png')
  found = run(labels / 'found', labels / 'truth', labels / 'out', flag)
  assert found['iou_class/background'] == 100 and found['iou_class/crack'] == 50
  assert (labels / 'out/confusion.csv').read_text().splitlines()[0].endswith('stain,(nothing)')


def test_names_of_labels_may_end_otherwise(labels):
  for path in (labels / 'truth').rglob('*.png'):
    path.rename(path.with_name(path.name.replace('.png', '_labelIds.png')))
  (labels / 'found/deep/b.png').rename(labels / 'found/b.png')  # other folders
  found = run(labels / 'found', labels / 'truth', labels / 'out', f'--data_set={labels}/set.yaml',
              '--truth_suffix=_labelIds.png')
  assert found['miou'] > 0


def edited(path, change):
  content = json.loads(path.read_text())
  change(content)
  path.write_text(json.dumps(content))


def first(content):
  return content['annotations'][0]


PANOPTIC_FAULTS = [
    (lambda c: c['annotations'].pop(), 'no prediction of 1 of 5 images: 15'),
    (lambda c: c['annotations'].append(first(c)), 'two predictions of image 11'),
    (lambda c: first(c).update(image_id=99), 'images that the truth does not have: 99'),
    (lambda c: first(c).pop('image_id'), 'annotation 0 has no image_id'),
    (lambda c: first(c).update(file_name='nowhere.png'), 'image 11: .*nowhere.png does not exist'),
    (lambda c: first(c).update(file_name='../../x.png'), 'image 11: .*outside'),
    (lambda c: first(c).update(segments_info=None), 'image 11: .*not a list of objects'),
    (lambda c: first(c)['segments_info'].pop(), 'image 11: .*ids that are not in the JSON'),
    (lambda c: first(c)['segments_info'].append({'id': 7, 'category_id': 1}),
     'image 11: predicted segment 7 has no pixel'),
    (lambda c: first(c)['segments_info'][0].update(category_id=5), 'image 11: .*category_id 5'),
    (lambda c: first(c)['segments_info'][0].update(category_id=None), 'image 11: .*category_id'),
    (lambda c: c.update(annotations=7), 'no list of annotations')]


@pytest.mark.parametrize('change, message', PANOPTIC_FAULTS)
def test_panoptic_faults_are_named(coco, tmp_path, change, message):
  path = moved_panoptic(coco, tmp_path, 0)
  edited(path, change)
  with pytest.raises(UserError, match=message) as refused:
    run(path, coco / 'panoptic_val2017.json', tmp_path / 'out')
  assert '\n' not in str(refused.value) and not (tmp_path / 'out').exists()


INSTANCE_FAULTS = [
    (lambda c: c[0].update(image_id=99), 'images that the truth does not have: 99'),
    (lambda c: c[0].pop('image_id'), 'result 0 has no image_id'),
    (lambda c: c[0].update(category_id=999), 'image 11: result 0 .*category 999'),
    (lambda c: c[0].update(category_id=[1]), 'image 11: result 0 .*category'),
    (lambda c: c[0].update(score='high'), 'image 11: result 0 .*score high'),
    (lambda c: c[0].update(score=float('nan')), 'image 11: result 0 .*score nan'),
    (lambda c: c[0].pop('segmentation'), 'image 11: result 0 .*no mask'),
    (lambda c: c[0].update(segmentation={'size': [4, 4], 'counts': 'x'}), 'image 11: .*4'),
    (lambda c: c[0].update(segmentation=[[1, 2, 3]]), 'image 11: '),
    (lambda c: c.extend([r for r in c if r['image_id'] == 12]), 'has image 12 twice')]


@pytest.mark.parametrize('change, message', INSTANCE_FAULTS)
def test_instance_faults_are_named(coco, tmp_path, change, message):
  results(coco, tmp_path, 1)
  edited(tmp_path / 'results.json', change)
  with pytest.raises(UserError, match=message):
    run(tmp_path / 'results.json', coco / 'instances_val2017.json', tmp_path / 'out')


def test_a_truth_that_contradicts_itself_is_refused(coco, tmp_path):
  results(coco, tmp_path, 0)
  content = json.loads((coco / 'instances_val2017.json').read_text())
  path = tmp_path / 'truth.json'

  def expect(message, *more):
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
      run(tmp_path / 'results.json', path, tmp_path / 'out', *more)

  content['annotations'].append({**content['annotations'][0], 'id': 9999, 'image_id': 77})
  expect('image 77 has annotations but is not in the JSON')
  content['annotations'].pop()
  for one in content['annotations']:
    one['iscrowd'] = 1
  expect('all .* marked as crowds .*CVAT.*--crowds_are_instances')
  path.write_text(json.dumps(content))
  found = run(tmp_path / 'results.json', path, tmp_path / 'out', '--crowds_are_instances')
  assert 50 < found['ap'] < 100  # what was a crowd is not found
  content['images'][0]['height'] = None
  expect('image 11: the JSON states no size', '--crowds_are_instances')
  content['images'], content['annotations'] = [], []
  expect('holds no image')


def test_label_faults_are_named(labels):
  def expect(message, *more):
    with pytest.raises(UserError, match=message):
      run(labels / 'found', labels / 'truth', labels / 'out', *more)
  flag = f'--data_set={labels}/set.yaml'
  expect('values of the first ones: 0, 1, 2, 255.*give --data_set')
  Image.fromarray(np.full([20, 30], 3, np.uint8)).save(labels / 'found/a.png')
  expect(r'image a: .*a.png has values that are neither class nor void .*: 3$', flag)
  expect(r'image a: .*a.png has values that are no class: \[3\]', flag, '--prediction_values=index')
  Image.fromarray(np.zeros([30, 20], np.uint8)).save(labels / 'found/a.png')
  expect('image a: .*30x20, the truth 20x30', flag)
  (labels / 'found/a.tif').write_bytes(b'')
  expect('two label images called a', flag)
  (labels / 'found/a.tif').rename(labels / 'found/c.tif')
  expect('images that the truth does not have: c', flag)
  (labels / 'found/c.tif').unlink()
  (labels / 'found/a.png').unlink()
  expect('no prediction of 1 of 2 images: a', flag)
  shutil.rmtree(labels / 'found')
  expect('does not exist', flag)
  (labels / 'found').mkdir()
  expect('has no label images', flag)


def test_forms_that_do_not_fit(coco, tmp_path):
  results(coco, tmp_path, 0)
  with pytest.raises(UserError, match='a list of COCO results, but .* COCO panoptic JSON'):
    run(tmp_path / 'results.json', coco / 'panoptic_val2017.json', tmp_path / 'out')
  with pytest.raises(UserError, match='--task semantic needs label images'):
    run(coco / 'panoptic_val2017.json', coco / 'panoptic_val2017.json', tmp_path / 'out',
        '--task=semantic')
  (tmp_path / 'other.json').write_text('[]')
  with pytest.raises(UserError, match='2 JSON files, other.json and results.json'):
    run(tmp_path, coco / 'instances_val2017.json', tmp_path / 'out')
  (tmp_path / 'no.json').write_text('no')
  with pytest.raises(UserError, match='not a JSON of predictions'):
    run(tmp_path / 'no.json', coco / 'instances_val2017.json', tmp_path / 'out')


def test_categories_that_are_called_otherwise(coco, tmp_path):
  path = moved_panoptic(coco, tmp_path, 0)
  edited(path, lambda c: first(c)['segments_info'][0].update(category_name='giraffe'))
  with pytest.raises(UserError, match='calls 1 categories otherwise .*giraffe'):
    run(path, coco / 'panoptic_val2017.json', tmp_path / 'out', '--data_set=coco_panoptic')


def test_a_mistake_is_one_line(coco, tmp_path, capsys):
  with pytest.raises(SystemExit) as stop:
    cli.run(evaluate_predictions.main, [f'--predictions={tmp_path}/x', f'--truth={coco}/y.json'])
  assert stop.value.code == cli.EXIT_USER
  assert capsys.readouterr().err.count('\n') == 1


def test_labels_in_colors(labels):
  (labels / 'set.yaml').write_text(
      'label_form: colors\nclasses: [{name: sky, labels: [[0, 0, 255]]}, '
      '{name: road, labels: [[90, 90, 90]]}]\n')
  for folder, share in (('truth', 0.5), ('found', 0.75)):
    shutil.rmtree(labels / folder)
    (labels / folder).mkdir()
    image = np.full([20, 40, 3], 90, np.uint8)
    image[:, :int(40 * share)] = (0, 0, 255)
    Image.fromarray(image).save(labels / folder / 'a.png')
  flag = f'--data_set={labels}/set.yaml'
  with pytest.raises(UserError, match='--prediction_values'):
    run(labels / 'found', labels / 'truth', labels / 'out', flag)
  found = run(
      labels / 'found', labels / 'truth', labels / 'out', flag, '--prediction_values=label')
  assert found['iou_class/sky'] == pytest.approx(200 / 3) and found['iou_class/road'] == 50
