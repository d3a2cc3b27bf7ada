"""Splits: disjoint, complete, the same for any order of the images, and lists of all kinds."""

import random

import pytest

from tests.dataloaders.preparation.custom import drawn
from tf_maskformer.dataloaders.preparation.coco_instances import CocoInstances
from tf_maskformer.dataloaders.preparation.custom import splits
from tf_maskformer.errors import UserError

NAMES = [f'{k:02d}.jpg' for k in range(23)]


def source(folder, names):
  """Returns a source whose images need not be there: they are not read."""
  # A file of the same name, size and second would not be read again.
  path = drawn.coco_json(folder / f'labels{len(list(folder.glob("*.json")))}.json', names)
  (folder / 'own.yaml').write_text('classes: [{id: 4, name: cat}, {id: 9, name: dog}]')
  return CocoInstances(str(folder), path, str(folder / 'own.yaml'))


def divided(folder, names=NAMES, share=0.7, seed=0):
  parts = splits.divide(source(folder, names), share, seed, str(folder), 'own.yaml')
  assert list(parts) == ['train', 'val']
  found = {split: [row['file_name'] for row in part.rows()] for split, part in parts.items()}
  for split, chosen in found.items():
    assert (folder / f'{split}.txt').read_text().split('\n')[:-1] == chosen
  return found['train'], found['val']


@pytest.mark.parametrize('share, count', [
    (0.7, 16), (0.9, 21), (0.5, 12), (0.001, 1), (0.999, 22)])
def test_every_image_is_in_one_part(tmp_path, share, count):
  train, val = divided(tmp_path, share=share)
  assert len(train) == count
  assert sorted(train + val) == NAMES


def test_the_order_of_the_images_does_not_matter_and_the_seed_does(tmp_path):
  first = divided(tmp_path)
  assert divided(tmp_path) == first
  shuffled = list(NAMES)
  random.Random(5).shuffle(shuffled)
  assert shuffled != NAMES and divided(tmp_path, shuffled) == first
  others = {tuple(divided(tmp_path, seed=seed)[1]) for seed in range(1, 6)}
  assert len(others) == 5 and tuple(first[1]) not in others
  assert first[1] != NAMES[16:]  # not the last ones


def test_too_few_images(tmp_path):
  assert divided(tmp_path, ['a.jpg', 'b.jpg'], 0.01) != divided(tmp_path, ['a.jpg', 'b.jpg'], 0.01,
                                                                seed=1)
  with pytest.raises(UserError, match='there is 1 image, which cannot be split; give --val_images'):
    divided(tmp_path, ['a.jpg'])


def test_names_that_are_ends_of_others(tmp_path):
  names = ['1.jpg', 'a/1.jpg', 'b/1.jpg', '1.jpg.jpg', ' 1.jpg', 'b/1', '\u2028.jpg']
  for seed in range(5):
    train, val = divided(tmp_path, names, 0.5, seed)
    assert sorted(train + val) == sorted(names)


def test_a_name_with_the_end_of_a_line(tmp_path):
  with pytest.raises(UserError, match=r'image a\\nb.jpg has the end of a line in it; rename it'):
    divided(tmp_path, ['a\nb.jpg', 'c.jpg'])


def by_lists(folder, names=NAMES, **lists):
  paths = []
  for name, text in lists.items():
    path = folder / f'{name}.txt'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    paths.append(str(path))
  parts = splits.by_lists(source(folder, names), paths, 'own.yaml')
  return {split: [row['file_name'] for row in part.rows()] for split, part in parts.items()}


@pytest.mark.parametrize('text', [
    b'b.jpg\nx/a.jpg\n', b'\xef\xbb\xbfb.jpg\r\nx/a.jpg', b'b\n\n  a  \n', b'b.jpg\ra.jpg',
    b'b.jpg\nb\nx/a.jpg\na\n'])
def test_lists_as_people_write_them(tmp_path, text):
  found = by_lists(tmp_path, ['x/a.jpg', 'b.jpg', 'c.jpg'], train=text, mine=b'c.jpg')
  assert found == {'train': ['b.jpg', 'x/a.jpg'], 'mine': ['c.jpg']}


def test_other_words_for_the_splits(tmp_path):
  assert list(by_lists(tmp_path, Training='00', valid='01', test='02')) == ['train', 'val', 'test']


@pytest.mark.parametrize('lists, message', [
    ({'train': '00.jpg\n99.jpg\n98'}, 'train.txt names 2 images .* annotated, 99.jpg for one'),
    ({'train': ' \n\n'}, 'list .*train.txt is empty; it needs a file name per line'),
    ({'train': b'\xff\xfe0'}, 'train.txt cannot be read: byte 0 is not UTF-8'),
    ({'train': '00.jpg', 'val': '01.jpg\n00.jpg'}, '00.jpg is in train and in val; training'),
    ({'train': '00.jpg', 'val': '00'}, '00.jpg is in train and in val'),
    ({'val': '00.jpg', 'valid': '01.jpg'}, 'val.txt and .*valid.txt are both of the split val'),
    ({'train': 'a'}, 'train.txt names a, which may be x/a.jpg or y/a.png; write the path')])
def test_lists_that_are_wrong(tmp_path, lists, message):
  with pytest.raises(UserError, match=message):
    by_lists(tmp_path, [*NAMES, 'x/a.jpg', 'y/a.png'], **lists)


def test_a_list_that_does_not_exist(tmp_path):
  with pytest.raises(UserError, match='--split_files: .*none.txt does not exist'):
    splits.by_lists(source(tmp_path, NAMES), [str(tmp_path / 'none.txt')], 'own.yaml')


def test_a_changed_list_is_another_conversion(tmp_path):
  (tmp_path / 'train.txt').write_text('00.jpg')
  lists = [str(tmp_path / 'train.txt')]
  part = splits.by_lists(source(tmp_path, NAMES), lists, 'own.yaml')['train']
  before = part.annotations_state()
  assert part.annotations_state() == before
  (tmp_path / 'train.txt').write_text('00.jpg\n01.jpg')
  assert part.annotations_state() != before
