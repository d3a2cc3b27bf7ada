"""Plans: two lots make one data set, and splits are asked for where there are none."""

import numpy as np
import pytest
from PIL import Image

from tests.dataloaders.preparation.custom import drawn
from tf_maskformer.dataloaders.preparation import described
from tf_maskformer.dataloaders.preparation.custom import plan
from tf_maskformer.dataloaders.preparation.custom.found import Request
from tf_maskformer.errors import UserError


def request(folder, name, classes=drawn.CLASSES, images=2, **fields):
  """Writes a JSON and its images; returns their request."""
  names = [f'{name}{k}.jpg' for k in range(images)]
  for file_name in names:
    drawn.image(folder / file_name)
  path = drawn.coco_json(folder / f'{name}.json', names, classes)
  return Request(images=str(folder), annotations=path, **fields)


def converted(planned, folder, **options):
  """Returns the names of the images of each split, with the class of each's dog."""
  names = plan.split_names(planned, options.get('share', 0), options.get('lists', ()))
  described.write(str(folder), planned.data_set, names, planned.task)
  sources = plan.split(planned, str(folder), described.path(str(folder)), **options)
  assert list(sources) == names
  return {split: [row['file_name'] for row in source.rows()] for split, source in sources.items()}


def test_two_lots(tmp_path):
  planned = plan.make(request(tmp_path, 'a'), request(tmp_path, 'b', {'dog': 9}, 1), 'pets')
  assert (planned.task, planned.data_set.name, planned.needs_split) == ('instance', 'pets', False)
  assert [c.name for c in planned.data_set.classes] == ['cat', 'dog']
  assert converted(planned, tmp_path / 'out') == {'train': ['a0.jpg', 'a1.jpg'], 'val': ['b0.jpg']}
  recognized = [line for line in planned.said if 'COCO instances JSON, for instance seg' in line]
  assert [line.partition(':')[0] for line in recognized] == [
      f'{tmp_path}/a.json', f'{tmp_path}/b.json']
  assert recognized[0].endswith('; 2 classes: cat, dog')


def test_many_classes_are_not_all_said(tmp_path):
  classes = {'dog': 1, **{f'c{k}': k + 2 for k in range(6)}}
  planned = plan.make(request(tmp_path, 'a', classes), None, 'pets')
  assert planned.said[0].endswith('7 classes: dog, c0, c1, c2, c3 and 2 more')


def test_one_lot_is_split(tmp_path):
  planned = plan.make(request(tmp_path, 'a', images=5), None, 'pets')
  assert planned.needs_split and planned.data_set.name == 'pets'
  found = converted(planned, tmp_path / 'out', share=0.6, seed=1)
  assert {split: len(names) for split, names in found.items()} == {'train': 3, 'val': 2}
  assert sorted(found['train'] + found['val']) == [f'a{k}.jpg' for k in range(5)]
  assert converted(planned, tmp_path / 'out', share=0.6, seed=2) != found
  for name, text in (('train', 'a3'), ('mine', 'a0\na1')):
    (tmp_path / f'{name}.txt').write_text(text)
  lists = [f'{tmp_path}/train.txt', f'{tmp_path}/mine.txt']
  assert converted(planned, tmp_path / 'out', lists=lists) == {
      'train': ['a3.jpg'], 'mine': ['a0.jpg', 'a1.jpg']}


def test_nothing_says_how_to_split(tmp_path):
  planned = plan.make(request(tmp_path, 'a'), None, 'pets')
  with pytest.raises(UserError, match='nothing says which images .* give --split 0.9 .*, --split'):
    plan.split_names(planned)
  with pytest.raises(UserError, match='nothing says which images'):
    plan.split(planned, str(tmp_path), 'own.yaml')
  assert not (tmp_path / 'train.txt').exists()


@pytest.mark.parametrize('options', [{'share': 0.9}, {'lists': ['a.txt']}])
def test_what_has_splits_is_not_split(tmp_path, options):
  planned = plan.make(request(tmp_path, 'a'), request(tmp_path, 'b'), 'pets')
  with pytest.raises(UserError, match=r'splits of their own \(train, val\); leave out --split and'):
    plan.split_names(planned, **options)


@pytest.mark.parametrize('classes, message', [
    ({'cat': 9, 'dog': 4}, r'class 9 is dog in .*a.json, but cat in .*b.json; give both the same'),
    ({'dog': 9, 'cow': 10, 'hen': 11},
     r'b.json has 2 classes that .*a.json does not have: cow, hen; .*leave them out with --ignore'),
])
def test_classes_that_contradict_each_other(tmp_path, classes, message):
  with pytest.raises(UserError, match=message):
    plan.make(request(tmp_path, 'a'), request(tmp_path, 'b', classes), 'pets')


def test_classes_agree_by_name(tmp_path):
  for classes in ({'DOG': 9, 'dog': 9}, {'dog': 17, 'cat': 18}):
    one = request(tmp_path, 'b', {'dog': classes['dog']})
    assert plan.make(request(tmp_path, 'a'), one, 'pets').data_set.num_classes == 2
  ignoring = [request(tmp_path, name, {**drawn.CLASSES, **more}, ignored=('cow',))
              for name, more in (('a', {}), ('b', {'cow': 11}))]
  assert plan.make(*ignoring, 'pets').data_set.num_classes == 2


def test_lots_of_two_kinds(tmp_path):
  first = request(tmp_path, 'a')
  drawn.image(tmp_path / 'images/x.png')
  (tmp_path / 'masks').mkdir()
  Image.fromarray(drawn.mask('dog').astype(np.uint8)).save(tmp_path / 'masks/x.png')
  masks = Request(images=f'{tmp_path}/images', annotations=f'{tmp_path}/masks', binary='dog')
  with pytest.raises(UserError, match=r'a.json is COCO .*, for instance .* but .*masks is label'):
    plan.make(first, masks, 'pets')


def test_a_lot_with_splits_of_its_own(tmp_path):
  for split in ('train', 'valid'):
    drawn.image(tmp_path / 'set' / split / f'{split}.jpg')
    drawn.coco_json(tmp_path / 'set' / split / '_annotations.coco.json', [f'{split}.jpg'])
  own = Request(images='', annotations=f'{tmp_path}/set')
  assert converted(plan.make(own, None, 'pets'), tmp_path / 'out') == {
      'train': ['train.jpg'], 'val': ['valid.jpg']}
  with pytest.raises(UserError, match=r'set has splits of its own \(train, val\); leave out --val'):
    plan.make(own, request(tmp_path, 'b'), 'pets')
  with pytest.raises(UserError, match='set has splits of its own'):
    plan.make(request(tmp_path, 'b'), own, 'pets')
