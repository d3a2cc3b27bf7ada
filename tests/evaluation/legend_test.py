"""The legend has a swatch for every class, next to the image, which stays as it is."""

import numpy as np
import pytest
from PIL import Image

from tf_maskformer.evaluation import legend


def entries(count):
  return [(f'class {number}', (number, 255 - number, 77)) for number in range(count)]


@pytest.mark.parametrize('size', [(640, 480), (64, 64), (1500, 100), (100, 1000), (1, 1)])
@pytest.mark.parametrize('count', [1, 9, 133])
def test_every_class_has_its_swatch(size, count):
  image = Image.new('RGB', size, (1, 2, 3))
  drawn = np.asarray(legend.add(image, entries(count)))
  assert (drawn[:size[1], :size[0]] == (1, 2, 3)).all()
  codes = drawn.astype(int) @ [1, 256, 65536]
  swatches = []
  for _, (red, green, blue) in entries(count):
    rows, columns = np.nonzero(codes == red + 256 * green + 65536 * blue)
    assert len(rows) > 50
    swatches.append((columns.min(), rows.min(), columns.max(), rows.max()))
  assert len({(left, top) for left, top, _, _ in swatches}) == count
  assert (drawn[:, -1] == 255).all() or drawn.shape[1] == size[0]  # nothing is cut off at the right


def test_it_goes_where_it_takes_less_room():
  wide = legend.add(Image.new('RGB', (2000, 200)), entries(6))
  assert wide.height == 200 and wide.width > 2000
  high = legend.add(Image.new('RGB', (300, 2000)), entries(6))
  assert high.width == 300 and high.height > 2000


def test_none():
  image = Image.new('RGB', (10, 10))
  assert legend.add(image, []) is image
