"""The table of classes, the remarks and the sizes that a conversion prints."""

import pytest

from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders.preparation import summary
from tf_maskformer.dataloaders.preparation.counts import Counts
from tf_maskformer.dataloaders.preparation.counts import OfClass


def data_set(*names):
  return DataSet('own', tuple(Class(i, name, i > 0, (i, 0, 0)) for i, name in enumerate(names)))


def test_the_table():
  found = {
      'train': Counts(images=3, pixels=1000, void=250, classes={
          '0': OfClass(3, 3, 749), '1': OfClass(1, 4, 1)}),
      'val': Counts(images=1, pixels=400, void=0, classes={'0': OfClass(1, 1, 400)})}
  lines = summary.table(data_set('road', 'cat'), found)
  assert [line.split() for line in lines] == [
      ['train', 'val'],
      ['class', 'images', 'segments', 'pixels', 'images', 'segments', 'pixels'],
      ['road', 'stuff', '3', '3', '74.9%', '1', '1', '100.0%'],
      ['cat', 'thing', '1', '4', '0.1%', '0', '0', '-'],
      ['no', 'class', '(void)', '25.0%', '-']]
  assert len({len(line) for line in lines}) == 1  # the columns stand below each other


def test_a_small_share_is_not_nothing():
  found = {'train': Counts(images=1, pixels=10**6, classes={'0': OfClass(1, 1, 999)})}
  assert summary.table(data_set('road'), found)[2].endswith(' <0.1%')


def test_names_from_files_stay_on_their_line():
  names = 'a\nb', 'x' * 31, 'y' * 30
  lines = summary.table(data_set(*names), {'train': Counts()})
  assert len(lines) == 6 and not any('\n' in line for line in lines)
  assert lines[2].startswith('a\\nb ')
  assert lines[3].startswith('x' * 27 + '... ') and lines[4].startswith('y' * 30 + ' ')


@pytest.mark.parametrize('void, is_much', [(50, False), (51, True)])
def test_much_void(void, is_much):
  full = {'0': OfClass(1, 1, 1)}
  found = summary.remarks(
      data_set('a'), {'val': Counts(images=1, pixels=100, void=void, classes=full)})
  assert found == [
      'val: 51.0% of the pixels belong to no class; that is right only where they stand for '
      'unlabeled'][:is_much]


def test_between_instances_there_is_nothing():
  full = {'0': OfClass(1, 1, 1)}
  counts = {'val': Counts(images=1, pixels=100, void=90, classes=full)}
  things = DataSet('own', (Class(0, 'a', True, (0, 0, 0)),))
  assert not summary.remarks(things, counts)


def test_images_of_nothing_and_crowds():
  full = {'0': OfClass(1, 1, 1)}
  found = summary.remarks(
      data_set('a'), {'train': Counts(images=5, empty=2, crowds=3, pixels=1, classes=full)})
  assert found == ['train: 2 of 5 images have no segment',
                   'train: 3 segments are crowds, which are not trained on']


def test_classes_without_a_pixel():
  names = [f'c{i}' for i in range(12)]
  # A class that has segments, but not a pixel, is missing too.
  full = {'3': OfClass(1, 1, 1), '5': OfClass(1, 1, 0)}
  found = summary.remarks(data_set(*names), {'train': Counts(images=1, pixels=1, classes=full)})
  assert found == [
      'train: 11 classes have no pixel: c0, c1, c2, c4, c5, c6, c7, c8 and 3 more']
  found = summary.remarks(data_set(*names[:4]), {'a': Counts(images=1, pixels=1, classes=full)})
  assert found == ['a: 3 classes have no pixel: c0, c1, c2']


def test_sizes():
  found = {
      'train': Counts(images=6, most_segments=7, sizes={'90x100': 1, '1000x8': 3, '100x91': 2}),
      'val': Counts(images=1, sizes={'5x6': 1}),
      'test': Counts()}
  assert summary.sizes(found) == [
      'train: 6 images of 8x1000 to 91x100 pixels, at most 7 segments in one',
      'val: 1 images of 6x5 to 6x5 pixels, at most 0 segments in one']
