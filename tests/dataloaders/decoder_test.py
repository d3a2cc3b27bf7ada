"""Bytes of an image are those of Pillow; what is neither JPEG nor PNG is refused."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests import support
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import image_files


def drawn(mode='RGB', size=(61, 43)):
  """Smooth color with some noise, as photographs are."""
  rng = np.random.default_rng(0)
  y, x = np.mgrid[:size[1], :size[0]]
  waves = np.stack([np.sin(x / 7 + k) * np.cos(y / (5 + k)) for k in range(3)], -1)
  pixels = (128 + 100 * waves + rng.normal(0, 12, waves.shape)).clip(0, 255).astype(np.uint8)
  return Image.fromarray(pixels).convert(mode)


def encoded(image, kind, **options):
  buffer = io.BytesIO()
  image.save(buffer, kind, **options)
  return buffer.getvalue()


def assert_as_pillow(data):
  wanted = np.asarray(Image.open(io.BytesIO(data)).convert('RGB'))
  np.testing.assert_array_equal(decoder.decode_image(tf.constant(data)), wanted)


@pytest.mark.parametrize('mode, options', [
    ('RGB', {}), ('RGB', dict(quality=30)), ('RGB', dict(subsampling=0)),
    ('RGB', dict(subsampling=1)), ('RGB', dict(progressive=True)), ('L', {})])
def test_jpeg_as_pillow(mode, options):
  assert_as_pillow(encoded(drawn(mode), 'JPEG', **options))


def test_real_jpegs_as_pillow():
  folder = support.shared('data/coco_panoptic_mini/val2017')
  paths = sorted(folder.glob('*.jpg'))
  assert len(paths) == 7
  for path in paths:
    assert_as_pillow(path.read_bytes())


@pytest.mark.parametrize('mode', ['RGB', 'L'])
def test_png_as_pillow(mode):
  assert_as_pillow(encoded(drawn(mode), 'PNG'))


@pytest.mark.parametrize('kind', ['BMP', 'GIF', 'WEBP', 'TIFF'])
def test_other_formats_are_refused(kind):
  with pytest.raises(tf.errors.InvalidArgumentError, match='the image is neither JPEG nor PNG'):
    decoder.decode_image(tf.constant(encoded(drawn(), kind)))


@pytest.mark.parametrize('mode, kind, name', [
    ('CMYK', 'JPEG', 'JPEG CMYK'), ('RGB', 'BMP', 'BMP RGB'), ('P', 'GIF', 'GIF P'),
    ('RGB', 'WEBP', 'WEBP RGB'), ('P', 'PNG', 'PNG P'), ('RGBA', 'PNG', 'PNG RGBA')])
def test_preparation_converts_by_name(mode, kind, name, tmp_path):
  path = tmp_path / 'image'
  path.write_bytes(encoded(drawn(mode), kind))
  file = image_files.read(str(path))
  assert (file.format, file.remarks) == ('png', [f'image ({name}) stored as RGB PNG'])
  np.testing.assert_array_equal(
      decoder.decode_image(tf.constant(file.data)), np.asarray(Image.open(path).convert('RGB')))


def test_sixteen_bits(tmp_path):
  gray, path = np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50, tmp_path / 'deep.png'
  Image.fromarray(gray).save(path)
  with pytest.raises(UnusableImage, match='deep.png has more than 8 bits per pixel in gray'):
    image_files.read(str(path))
  color = tf.io.encode_png(np.stack([gray, gray[::-1], gray], -1)).numpy()
  path.write_bytes(color)
  file = image_files.read(str(path))
  assert file.remarks == ['image (PNG 16 bits) stored as RGB PNG']
  np.testing.assert_array_equal(decoder.decode_image(tf.constant(file.data))[..., 0], gray >> 8)
