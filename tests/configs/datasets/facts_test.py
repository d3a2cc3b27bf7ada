"""What reports say of records, where records are, and which of them are complete."""

import json
import os

import numpy as np
import pytest

from tf_maskformer.configs.datasets import facts
from tf_maskformer.errors import UserError


def write(folder, split='train', sizes=None, segments=3, planes=1, **more):
  """Writes the report of a split and the description; returns the folder."""
  folder.mkdir(exist_ok=True)
  (folder / 'data_set.yaml').write_text('classes: [a]')
  sizes = {'10x20': 2} if sizes is None else sizes
  counts = {'images': sum(sizes.values()), 'sizes': sizes, 'most_segments': segments,
            'most_planes': planes}
  (folder / f'{split}.report.json').write_text(json.dumps({'counts': counts, **more}))
  return folder


@pytest.mark.parametrize('seed', range(5))
def test_medians_by_hand(tmp_path, seed):
  rng = np.random.default_rng(seed)
  heights, widths = rng.integers(5, 99, [2, int(rng.integers(1, 12))]).tolist()
  images = rng.choice(len(heights), 31 + seed)
  sizes = {f'{heights[k]}x{widths[k]}': int((images == k).sum()) for k in set(images.tolist())}
  write(tmp_path, sizes=sizes)
  write(tmp_path, 'val', {'7x500': 1})
  found = facts.read(str(tmp_path))
  edges = np.sort([[heights[k], widths[k]] for k in images], axis=1)
  short, long = np.percentile(edges, 50, axis=0, method='inverted_cdf')
  assert (found.short_edge, found.long_edge, found.longest_edge) == (short, long, 500)
  assert (found.train_images, found.validation_images) == (31 + seed, 1)


def test_maxima(tmp_path):
  write(tmp_path, sizes={'600x3': 1, '9x9': 1}, segments=4, planes=2)
  write(tmp_path, 'val', segments=9, planes=3)
  found = facts.read(str(tmp_path))
  assert (found.most_segments, found.most_planes, found.longest_edge) == (4, 3, 600)
  assert (found.short_edge, found.long_edge) == (3, 9)
  write(tmp_path, segments=0, planes=0)
  write(tmp_path, 'val', planes=0)
  found = facts.read(str(tmp_path))
  assert (found.most_segments, found.most_planes) == (1, 1)


@pytest.mark.parametrize('data, folder', [
    ('my', 'my_records'), ('a/my/', 'a/my_records'), ('a/my.v1', 'a/my.v1_records'),
    ('a/own.yaml', 'a/own_records'), ('own.v2.yml', 'own.v2_records'), ('/data/', '/data_records'),
    ('gs://bucket/my/', 'gs://bucket/my_records'), ('../my', '../my_records')])
def test_the_folder_of_raw_data(data, folder):
  assert facts.folder_of_raw(data) == folder


def test_a_folder_without_a_name_of_its_own(tmp_path, monkeypatch):
  (tmp_path / 'my/deep').mkdir(parents=True)
  monkeypatch.chdir(tmp_path / 'my')
  for data in ('.', './', 'deep/..'):
    assert facts.folder_of_raw(data) == f'{os.path.realpath(tmp_path)}/my_records'


@pytest.mark.parametrize('data_set, folder', [
    ('records', 'records'), ('a/records/', 'a/records/'), ('a/data_set.yaml', 'a'),
    ('data_set.yaml', '.'), ('a/own.yaml', 'a/own_records')])
def test_the_folder_of_a_data_set(data_set, folder):
  assert facts.folder_of(data_set) == folder


def test_records_are_complete_when_both_splits_are(tmp_path):
  assert not facts.are_prepared(str(tmp_path / 'none'))
  write(tmp_path)
  assert not facts.are_prepared(str(tmp_path))
  write(tmp_path, 'val')
  assert facts.are_prepared(str(tmp_path))
  assert facts.are_prepared(f'{tmp_path}/data_set.yaml')


@pytest.mark.parametrize('more', [
    {'shards_failed': {'val-00000-of-00002.tfrecord': 'was killed'}}, {'written': 0}])
def test_a_conversion_that_failed_is_not_complete(tmp_path, more):
  write(tmp_path)
  write(tmp_path, 'val', **more)
  assert not facts.are_prepared(str(tmp_path))
  with pytest.raises(UserError, match='does not hold the records of train and val; make them with'):
    facts.read(str(tmp_path))
  write(tmp_path, 'val', shards_failed={}, written=2)
  assert facts.read(str(tmp_path)).validation_images == 2


@pytest.mark.parametrize('content', [
    [], {}, {'counts': []}, {'counts': {'images': 1, 'sizes': {'1x1': 1}, 'most_segments': 1}},
    {'counts': {'images': 1, 'sizes': {}, 'most_segments': 1, 'most_planes': 1}},
    {'counts': {'images': 1, 'sizes': {'1x': 1}, 'most_segments': 1, 'most_planes': 1}},
    {'counts': {'images': True, 'sizes': {'1x1': 1}, 'most_segments': 1, 'most_planes': 1}}])
def test_a_report_without_counts(tmp_path, content):
  write(tmp_path)
  write(tmp_path, 'val')
  (tmp_path / 'val.report.json').write_text(json.dumps(content))
  with pytest.raises(UserError, match='val.report.json does not say what the .* convert the data'):
    facts.read(str(tmp_path))


def test_what_is_not_ones_own(tmp_path):
  with pytest.raises(UserError, match='data_set=ade20k is a built-in data set, which has experim'):
    facts.read('ade20k')
  with pytest.raises(UserError, match='data_set.yaml cannot be read'):
    facts.read(str(tmp_path / 'none') + '/')
