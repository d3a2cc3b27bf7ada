"""Counts of images, against numpy by hand, and counts read back from JSON."""

import dataclasses
import json

import numpy as np
import pytest

from tf_maskformer.dataloaders.preparation import counts
from tf_maskformer.dataloaders.schema import Segment


def segment(class_id, is_crowd=False):
  return Segment(class_id=class_id, is_crowd=is_crowd, plane=0, area=0, id=0)


def drawn(seed, planes, size=(7, 9)):
  """Returns id maps of two segments each, or of one, and their segments, some of them crowds."""
  rng = np.random.default_rng(seed)
  id_maps, segments = [], []
  for _ in range(planes):
    ids = [0] + [len(segments) + k + 1 for k in range(rng.integers(1, 3))]
    id_maps.append(rng.choice(ids, size))
    segments += [segment(int(rng.integers(3)), bool(rng.integers(2))) for _ in ids[1:]]
  return id_maps, segments


@pytest.mark.parametrize('planes', [1, 2, 3])
def test_an_image_by_hand(planes):
  id_maps, segments = drawn(planes, planes)
  found = counts.of_image(id_maps, segments)
  assert (found.images, found.pixels, found.sizes) == (1, 63, {'7x9': 1})
  assert found.void == int((np.stack(id_maps).max(axis=0) == 0).sum())
  crowds = [s for s in segments if s.is_crowd]
  assert (found.crowds, found.most_segments) == (len(crowds), len(segments) - len(crowds))
  assert (found.most_planes, found.empty) == (planes, 0)
  for class_id in range(3):
    own = [k + 1 for k, s in enumerate(segments) if s.class_id == class_id]
    pixels = sum(int((id_map == k).sum()) for id_map in id_maps for k in own)
    expected = counts.OfClass(1, len(own), pixels) if own else None
    assert found.classes.get(str(class_id)) == expected


def test_an_image_of_nothing():
  found = counts.of_image([np.zeros([2, 3], np.int32)], [])
  assert found == counts.Counts(
      images=1, empty=1, pixels=6, void=6, most_planes=1, sizes={'2x3': 1})


def test_sums_and_maxima():
  total = counts.Counts()
  found = [counts.of_image(*drawn(seed, 1 + seed % 3, (4, 5 + seed % 2))) for seed in range(6)]
  found.append(counts.of_image([np.zeros([4, 5], np.int32)], []))
  for one in found:
    total.add(one)
  for name in ('images', 'empty', 'crowds', 'pixels', 'void'):
    assert getattr(total, name) == sum(getattr(one, name) for one in found)
  for name in ('most_segments', 'most_planes'):
    assert getattr(total, name) == max(getattr(one, name) for one in found)
  assert (total.images, total.empty) == (7, 1)
  assert total.sizes == {'4x5': 4, '4x6': 3}
  for class_id in ('0', '1', '2'):
    ones = [one.classes[class_id] for one in found if class_id in one.classes]
    assert dataclasses.astuple(total.classes[class_id]) == tuple(
        sum(values) for values in zip(*map(dataclasses.astuple, ones)))


def test_json_and_back():
  total = counts.of_image(*drawn(3, 2))
  assert counts.parse(json.loads(json.dumps(dataclasses.asdict(total)))) == total
  assert counts.parse({}) == counts.Counts()


@pytest.mark.parametrize('content', [
    {'images': -1}, {'images': True}, {'images': '3'}, {'images': 1.5}, {'pictures': 3},
    {'sizes': {'4x5': -1}}, {'sizes': {'4x5': None}}, {'sizes': {'large': 1}},
    {'sizes': {'4x': 1}}, {'sizes': [1]}, {'sizes': 3}, {'classes': []}, {'classes': {'cat': {}}},
    {'classes': {'-1': {}}}, {'classes': {'0': {'images': 'a'}}}, {'classes': {'0': {'width': 1}}},
    {'classes': {'0': 1}}])
def test_what_is_not_counts(content):
  with pytest.raises((ValueError, TypeError)):
    counts.parse(content)
