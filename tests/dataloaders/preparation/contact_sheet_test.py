"""The contact sheet: masks have their classes' colors, unusable images are skipped."""

import numpy as np
import pytest
from PIL import Image

from tests.dataloaders.preparation.custom import drawn
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders.preparation import contact_sheet
from tf_maskformer.dataloaders.preparation.coco_instances import CocoInstances
from tf_maskformer.errors import UserError

GAP = 8
SIDE = 480
TITLE = 24
COLOR = (20, 200, 40)  # of dogs
GRAY = 90  # of the images


def source(folder, names, scale=1):
  """Writes a JSON and a description; returns a source with a dog in every image."""
  path = drawn.coco_json(folder / 'labels.json', names, scale=scale)
  (folder / 'own.yaml').write_text(
      'classes: [{id: 4, name: cat, color: [250, 0, 0]}, '
      f'{{id: 9, name: dog, color: {list(COLOR)}}}]')
  return CocoInstances(str(folder), path, str(folder / 'own.yaml'))


def sheet(folder, names):
  """Returns the number of images on the sheet, and its pixels, if there is one."""
  path = folder / 'sheet.png'
  own = source(folder, names)
  count = contact_sheet.write(own, own.rows(), catalog.get(own.data_set), str(path))
  return count, np.asarray(Image.open(path)).astype(int) if path.exists() else None


def tile(pixels, row, column):
  """Returns the image of a tile, without its title."""
  top = GAP + row * (SIDE + TITLE + GAP) + TITLE
  left = GAP + column * (SIDE + GAP)
  return pixels[top:top + SIDE, left:left + SIDE]


def values(part, name, scale):
  """Returns the colors in an object of a tile, away from borders and the caption."""
  left, top, right, bottom = (scale * corner for corner in drawn.CORNERS[name])
  margin = 3 * scale
  found = part[top + margin:bottom - margin, left + margin:right - margin].reshape(-1, 3)
  return {tuple(color) for color in found.tolist()}


@pytest.mark.parametrize('scale, drawn_scale, width', [
    (1, 5, 400),  # small images are enlarged
    (10, 6, 480)])
def test_colors_are_where_the_masks_are(tmp_path, scale, drawn_scale, width):
  own = source(tmp_path, ['a.png'], scale)
  height_and_width = [scale * side for side in drawn.SIZE]
  Image.fromarray(np.full([*height_and_width, 3], GRAY, np.uint8)).save(tmp_path / 'a.png')
  path = tmp_path / 'sheet.png'
  assert contact_sheet.write(own, own.rows(), catalog.get(own.data_set), str(path)) == 1
  pixels = np.asarray(Image.open(path)).astype(int)
  assert pixels.shape == (SIDE + TITLE + 2 * GAP, SIDE + 2 * GAP, 3)
  part = tile(pixels, 0, 0)
  tint = np.round(0.45 * GRAY) + np.round(0.55 * np.array(COLOR))
  inside = values(part, 'dog', drawn_scale)
  assert tuple(tint.astype(int).tolist()) in inside
  assert (GRAY,) * 3 not in inside
  assert values(part, 'cat', drawn_scale) == {(GRAY,) * 3}  # there is none
  assert (part[:, width:] == 255).all() and (part[0, :width] != 255).any()


def test_tiles_are_in_rows_spread_over_the_images(tmp_path):
  names = [f'{k:02d}.png' for k in range(23)]
  for k, name in enumerate(names):
    drawn.image(tmp_path / name, 10 * k)
  count, pixels = sheet(tmp_path, names)
  assert count == 12
  assert pixels.shape == (3 * (SIDE + TITLE + GAP) + GAP, 4 * (SIDE + GAP) + GAP, 3)
  shown = [tile(pixels, k // 4, k % 4)[2, 2, 0] // 10 for k in range(12)]
  rows = [row['file_name'] for row in source(tmp_path, names).rows()]
  assert [names[k] for k in shown] == rows[::2]


def test_unusable_images_are_skipped(tmp_path):
  names = [f'{k:02d}.png' for k in range(20)]
  for k in (3, 4, 5):
    drawn.image(tmp_path / names[k], 10 * k)
  for k in (6, 7):
    (tmp_path / names[k]).write_bytes(b'no image')
  count, pixels = sheet(tmp_path, names)
  assert count == 3
  assert pixels.shape[1] == 3 * (SIDE + GAP) + GAP
  assert {tile(pixels, 0, k)[2, 2, 0] // 10 for k in range(3)} == {3, 4, 5}


def test_none_can_be_used(tmp_path):
  assert sheet(tmp_path, ['a.png', 'b.png']) == (0, None)
  own = source(tmp_path, ['a.png'])
  assert contact_sheet.write(own, [], catalog.get(own.data_set), str(tmp_path / 'x.png')) == 0


@pytest.mark.parametrize('name', ['a\nb.png', f'{"x" * 90}.png', '猫\u202e.png'])
def test_any_name_is_a_title(tmp_path, name):
  drawn.image(tmp_path / name)
  count, pixels = sheet(tmp_path, [name])
  assert count == 1
  title = pixels[GAP:GAP + TITLE]
  assert (title < 100).any() and (title[:, :GAP] == 255).all()
  assert (title[:, -GAP:] == 255).all()  # it ends within the tile
  assert (tile(pixels, 0, 0)[:8] >= 60).all()  # it is one line: nothing black is in the image


def test_a_place_that_cannot_be_written(tmp_path):
  drawn.image(tmp_path / 'a.png')
  own = source(tmp_path, ['a.png'])
  with pytest.raises(UserError, match='none/sheet.png'):
    contact_sheet.write(
        own, own.rows(), catalog.get(own.data_set), str(tmp_path / 'none/sheet.png'))
