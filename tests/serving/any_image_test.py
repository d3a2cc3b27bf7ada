"""Preparation and prediction see the same pixels of an image of any kind, or both refuse it."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.dataloaders.label_images_test import packed_png
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.errors import UserError
from tf_maskformer.serving import inputs

GRAY = np.arange(1200).reshape(30, 40) % 251
SAMPLES = np.arange(48).reshape(6, 8)


def _files(folder):
  """Writes one file of each kind; returns their paths."""
  gray = Image.fromarray(GRAY.astype(np.uint8))
  color = Image.fromarray(np.stack([GRAY, GRAY[::-1], 3 * GRAY % 251], -1).astype(np.uint8))
  alpha = color.copy()
  alpha.putalpha(gray)
  images = {
      'gray.png': gray, 'gray.tif': gray, 'gray.bmp': gray, 'bit.png': gray.convert('1'),
      'gray_alpha.png': gray.convert('LA'), 'color.png': color, 'ycbcr.tif': color.convert('YCbCr'),
      'cmyk.tif': color.convert('CMYK'), 'cmyk.jpg': color.convert('CMYK'), 'alpha.png': alpha,
      'alpha.webp': alpha, 'palette.png': color.convert('P'), 'palette.gif': color.convert('P')}
  for name, image in images.items():
    image.save(folder / name)
  gray.save(folder / 'transparent_gray.png', transparency=7)
  for depth in (2, 4):
    (folder / f'gray_{depth}.png').write_bytes(packed_png(depth, 0, SAMPLES % 2**depth))
  for color_type, channels in ((2, 3), (4, 2)):
    samples = np.repeat(1000 * SAMPLES, channels, axis=1)
    (folder / f'deep_{channels}.png').write_bytes(packed_png(16, color_type, samples))
  return sorted(folder.iterdir())


def test_the_same_pixels(tmp_path):
  paths = _files(tmp_path)
  assert len(paths) == 18
  for path in paths:
    stored = decoder.decode_image(tf.constant(image_files.read(str(path)).data))
    np.testing.assert_array_equal(stored, inputs.as_rgb(path), err_msg=path.name)


@pytest.mark.parametrize('dtype, suffix', [
    (np.uint16, 'png'), (np.uint16, 'tif'), (np.int32, 'tif'), (np.float32, 'tif')])
def test_deep_gray_is_refused_by_both(tmp_path, dtype, suffix):
  path = tmp_path / f'deep.{suffix}'
  Image.fromarray(GRAY.astype(dtype)).save(path)
  texts = []
  for read, error in ((image_files.read, UnusableImage), (inputs.as_rgb, UserError)):
    with pytest.raises(error, match=f'deep.{suffix} has more than 8 bits per pixel in gray') as e:
      read(str(path))
    texts.append(str(e.value))
  assert texts[0] == texts[1]
