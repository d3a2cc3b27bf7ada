"""Files, PIL images and arrays become the same RGB bytes; what is not an image is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from tf_maskformer.errors import UserError
from tf_maskformer.serving import inputs

ORIENTATION = 0x0112  # EXIF tag


def random_image(*shape):
  return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize('orientation, turned', [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_orientation(tmp_path, orientation, turned):
  pixels = random_image(8, 16, 3)
  exif = Image.Exif()
  exif[ORIENTATION] = orientation
  Image.fromarray(pixels).save(tmp_path / 'a.png', exif=exif)
  expected = np.rot90(pixels, turned)
  np.testing.assert_array_equal(inputs.as_rgb(tmp_path / 'a.png'), expected)
  np.testing.assert_array_equal(inputs.as_rgb(Image.open(tmp_path / 'a.png')), expected)


def test_gray_and_alpha():
  gray = random_image(5, 7)
  expected = np.stack([gray] * 3, axis=2)
  np.testing.assert_array_equal(inputs.as_rgb(gray), expected)
  np.testing.assert_array_equal(inputs.as_rgb(Image.fromarray(gray)), expected)
  rgba = random_image(5, 7, 4)
  np.testing.assert_array_equal(inputs.as_rgb(Image.fromarray(rgba)), rgba[..., :3])


@pytest.mark.parametrize('array', [
    np.zeros([4, 4, 3], np.float32), np.zeros([4, 4, 4], np.uint8),
    np.zeros([2, 4, 4, 3], np.uint8), np.zeros([0, 4, 3], np.uint8)])
def test_wrong_arrays(array):
  with pytest.raises(UserError, match=r'is not an image; give uint8 \[height, width, 3\]'):
    inputs.as_rgb(array)


def test_wrong_files(tmp_path):
  with pytest.raises(UserError, match='is a folder, not an image; give its images, as a list'):
    inputs.as_rgb(str(tmp_path))
  with pytest.raises(UserError, match='none.jpg does not exist'):
    inputs.as_rgb(tmp_path / 'none.jpg')
  (tmp_path / 'text.jpg').write_text('not an image')
  with pytest.raises(UserError, match='text.jpg cannot be decoded'):
    inputs.as_rgb(tmp_path / 'text.jpg')
  data = io.BytesIO()
  Image.fromarray(random_image(64, 64, 3)).save(data, 'JPEG')
  (tmp_path / 'cut.jpg').write_bytes(data.getvalue()[:800])
  with pytest.raises(UserError, match='cut.jpg cannot be decoded'):
    inputs.as_rgb(tmp_path / 'cut.jpg')


def test_other_mistakes():
  with pytest.raises(UserError, match='type int cannot be predicted'):
    inputs.as_rgb(3)
  with pytest.raises(UserError, match='the PIL image has more than 8 bits'):
    inputs.as_rgb(Image.fromarray(np.zeros([4, 4], np.uint16)))


def test_too_many_pixels(tmp_path, monkeypatch):
  Image.fromarray(random_image(40, 40, 3)).save(tmp_path / 'a.png')
  monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
  with pytest.raises(UserError, match='a.png has too many pixels .*exceeds limit'):
    inputs.as_rgb(tmp_path / 'a.png')


def test_bytes_of_a_file():
  data = io.BytesIO()
  Image.fromarray(random_image(6, 9, 3)).save(data, 'PNG')
  np.testing.assert_array_equal(inputs.of_bytes(data.getvalue(), 'upload'), random_image(6, 9, 3))
  with pytest.raises(UserError, match='upload cannot be decoded .unknown image format'):
    inputs.of_bytes(b'GIF is what it is not', 'upload')
