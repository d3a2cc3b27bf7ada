"""Images through a network of one size: fitted in, and their answers brought back."""

import numpy as np
import pytest

from tf_maskformer.serving.export import fitting


@pytest.mark.parametrize('size', [(40, 60), (64, 96), (63, 96), (200, 10), (1, 1), (7, 500)])
def test_the_image_just_fits(size):
  image = np.random.default_rng(0).integers(0, 256, [*size, 3], np.uint8)
  fitted, inner = fitting.fit(image, (64, 96))
  assert fitted.shape == (64, 96, 3) and fitted.dtype == np.uint8
  assert inner[0] == 64 or inner[1] == 96
  assert 1 <= inner[0] <= 64 and 1 <= inner[1] <= 96
  outside = np.ones([64, 96], bool)
  outside[:inner[0], :inner[1]] = False
  assert (fitted[outside] == fitting.PADDING).all()
  scale = min(64 / size[0], 96 / size[1])
  for side, before in zip(inner, size):
    assert abs(side - scale * before) <= 0.5 or side == 1


def test_an_image_of_that_size_stays():
  image = np.random.default_rng(0).integers(0, 256, [64, 96, 3], np.uint8)
  fitted, inner = fitting.fit(image, (64, 96))
  np.testing.assert_array_equal(fitted, image)
  assert inner == (64, 96)


def test_maps_come_back_and_padding_does_not():
  id_map = np.full([4, 6], 9)
  id_map[:2, :4] = [[1, 1, 2, 2], [3, 3, 4, 4]]
  answer = {'id_map': id_map, 'masks': np.stack([id_map == 1, id_map == 9]), 'scores': np.ones(2)}
  found = fitting.restore(answer, (2, 4), (4, 8))
  np.testing.assert_array_equal(
      found['id_map'], np.kron([[1, 1, 2, 2], [3, 3, 4, 4]], np.ones([2, 2], int)))
  assert found['masks'].shape == (2, 4, 8)
  assert not found['masks'][1].any() and found['masks'][0].sum() == 8
  np.testing.assert_array_equal(found['scores'], [1, 1])


@pytest.mark.parametrize('original', [(1, 1), (5, 3), (300, 200)])
def test_any_size_comes_back(original):
  answer = {'labels': np.arange(24).reshape(4, 6)}
  assert fitting.restore(answer, (4, 6), original)['labels'].shape == original
