"""Lossless label images of every kind give the drawn values; others are refused by name."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.dataloaders import label_images
from tf_maskformer.dataloaders.images import UnusableImage

SIZE = (6, 8)
VALUES = np.arange(48).reshape(SIZE) % 4


def saved(path, array, mode=None, **options):
  image = array if isinstance(array, Image.Image) else Image.fromarray(array)
  image = image.convert(mode) if mode else image
  image.save(path, **options)
  return str(path)


def palette(array):
  image = Image.fromarray(array.astype(np.uint8), 'L')
  image.putpalette([200, 10, 0, 200, 10, 0, 0, 0, 255, 9, 9, 9])  # 0 and 1 look the same
  return image


def packed_png(depth, color, values):
  """Returns a PNG of samples of `depth` bits [height, width * channels], which Pillow cannot write.

  Args:
    depth: 2, 4 or 16.
    color: 0: gray, 2: RGB, 4: gray and alpha.
    values: the samples.
  """
  channels = {0: 1, 2: 3, 4: 2}[color]
  rows = []
  for row in values:
    bits = ''.join(f'{value:0{depth}b}' for value in row)
    rows.append(b'\0' + int(bits, 2).to_bytes(len(bits) // 8, 'big'))
  head = struct.pack('>IIBBBBB', len(values[0]) // channels, len(values), depth, color, 0, 0, 0)
  chunks = ((b'IHDR', head), (b'IDAT', zlib.compress(b''.join(rows))), (b'IEND', b''))
  return b'\x89PNG\r\n\x1a\n' + b''.join(
      struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
      for kind, data in chunks)


@pytest.mark.parametrize('suffix, options', [
    ('png', {}), ('png', {'bits': 2}), ('bmp', {}), ('gif', {}), ('tif', {}),
    ('tif', {'compression': 'tiff_lzw'}), ('tiff', {'compression': 'tiff_adobe_deflate'})])
@pytest.mark.parametrize('make', [lambda v: Image.fromarray(v.astype(np.uint8)), palette])
def test_eight_bits_and_palettes(tmp_path, suffix, options, make):
  if 'bits' in options and make is not palette:
    options = {}
  path = saved(tmp_path / f'a.{suffix}', make(VALUES), **options)
  np.testing.assert_array_equal(label_images.read(path, SIZE), VALUES)


@pytest.mark.parametrize('dtype, factor, suffix', [
    (np.uint16, 20000, 'png'), (np.uint16, 20000, 'tif'), (np.int32, 26001, 'tif'),
    (np.int32, 2**29, 'tif')])
def test_deep_values(tmp_path, dtype, factor, suffix):
  path = saved(tmp_path / f'a.{suffix}', (VALUES * factor).astype(dtype))
  found = label_images.read(path, SIZE)
  np.testing.assert_array_equal(found, VALUES * factor)
  assert found.dtype.isnative


@pytest.mark.parametrize('depth', [2, 4])
def test_gray_of_few_bits_is_not_stretched(tmp_path, depth):
  values = np.arange(48).reshape(SIZE) % 2**depth
  (tmp_path / 'a.png').write_bytes(packed_png(depth, 0, values))
  assert np.asarray(Image.open(tmp_path / 'a.png')).max() == 255  # Pillow's way
  np.testing.assert_array_equal(label_images.read(str(tmp_path / 'a.png'), SIZE), values)


@pytest.mark.parametrize('suffix', ['png', 'tif', 'bmp'])
def test_one_bit(tmp_path, suffix):
  path = saved(tmp_path / f'a.{suffix}', Image.fromarray(VALUES > 1))
  found = label_images.read(path, SIZE)
  np.testing.assert_array_equal(found, VALUES > 1)
  assert found.dtype == np.uint8


@pytest.mark.parametrize('mode', ['LA', 'RGB', 'RGBA'])
@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_equal_and_opaque_channels_are_one(tmp_path, mode, suffix):
  path = saved(tmp_path / f'a.{suffix}', VALUES.astype(np.uint8), mode)
  np.testing.assert_array_equal(label_images.read(path, SIZE), VALUES)


def test_colors_where_they_are_expected(tmp_path):
  colors = np.stack([VALUES, 10 * VALUES, 60 * VALUES], -1).astype(np.uint8)
  wanted = VALUES + 256 * 10 * VALUES + 65536 * 60 * VALUES
  for mode in ('RGB', 'RGBA'):
    path = saved(tmp_path / 'a.png', colors, mode)
    np.testing.assert_array_equal(label_images.read(path, SIZE, 'colors'), wanted)
    with pytest.raises(UnusableImage, match=rf'a.png has colors \(mode {mode}\); a label is one'):
      label_images.read(path, SIZE)
  path = saved(tmp_path / 'a.png', palette(VALUES))
  color_of = np.array([200 + 2560, 200 + 2560, 255 * 65536, 9 * 65793])
  np.testing.assert_array_equal(label_images.read(path, SIZE, 'colors'), color_of[VALUES])
  path = saved(tmp_path / 'a.png', VALUES.astype(np.uint8))
  np.testing.assert_array_equal(label_images.read(path, SIZE, 'colors'), VALUES * 65793)


def test_the_exif_of_a_label_turns_it(tmp_path):
  exif = Image.Exif()
  exif[0x0112] = 6  # a quarter turn
  path = saved(tmp_path / 'a.png', VALUES.astype(np.uint8), exif=exif)
  np.testing.assert_array_equal(label_images.read(path, SIZE[::-1]), np.rot90(VALUES, -1))
  with pytest.raises(UnusableImage, match='is 8x6, its image 6x8; height and width are swapped'):
    label_images.read(path, SIZE)


def _alpha(mode):
  image = Image.fromarray(VALUES.astype(np.uint8)).convert(mode)
  image.putalpha(Image.fromarray((255 - VALUES).astype(np.uint8)))
  return image


@pytest.mark.parametrize('name, image, message, options', [
    ('a.jpg', VALUES.astype(np.uint8), 'is a JPEG file, whose compression changes values', {}),
    ('a.webp', _alpha('RGB'), 'is a WEBP file, whose compression changes', {'lossless': True}),
    ('a.tif', VALUES.astype(np.uint8), 'is compressed by jpeg', {'compression': 'jpeg'}),
    ('a.ppm', VALUES.astype(np.uint8), 'is a PPM file; labels are PNG, TIFF, BMP or GIF', {}),
    ('a.tif', VALUES.astype(np.float32), 'has pixels of mode F, fractions; a label is one', {}),
    ('a.tif', Image.new('CMYK', SIZE), 'has pixels of mode CMYK; a label is one channel', {}),
    ('a.png', _alpha('L'), r'has transparent pixels \(mode LA\)', {}),
    ('a.png', _alpha('RGB'), r'has transparent pixels \(mode RGBA\)', {})])
def test_what_is_refused(tmp_path, name, image, message, options):
  path = saved(tmp_path / name, image, **options)
  for form in descriptor.LABEL_FORMS:
    with pytest.raises(UnusableImage, match=f'{name} {message}'):
      label_images.values_of(path, form)


def test_a_format_is_told_by_its_bytes(tmp_path):
  path = saved(tmp_path / 'a.png', VALUES.astype(np.uint8), format='JPEG')
  with pytest.raises(UnusableImage, match='a.png is a JPEG file'):
    label_images.values_of(path)


@pytest.mark.parametrize('color, mode', [(2, 'RGB'), (4, 'RGBA')])
def test_sixteen_bits_are_not_cut(tmp_path, color, mode):
  channels = {2: 3, 4: 2}[color]
  values = np.full([6, 8 * channels], 300)
  (tmp_path / 'a.png').write_bytes(packed_png(16, color, values))
  with pytest.raises(UnusableImage, match=rf'several channels of 16 bits \(mode {mode}\)'):
    label_images.values_of(str(tmp_path / 'a.png'))


def test_sixteen_bits_are_no_color(tmp_path):
  path = saved(tmp_path / 'a.png', VALUES.astype(np.uint16))
  with pytest.raises(UnusableImage, match='has pixels of mode I;16'):
    label_images.values_of(path, 'colors')


def test_pages(tmp_path):
  pages = [Image.fromarray(np.full(SIZE, value, np.uint8)) for value in range(3)]
  pages[0].save(tmp_path / 'a.tif', save_all=True, append_images=pages[1:])
  pages[0].save(tmp_path / 'a.gif', save_all=True, append_images=pages[1:])
  for name in ('a.tif', 'a.gif'):
    with pytest.raises(UnusableImage, match=f'{name} has 3 pages; a label is one'):
      label_images.values_of(str(tmp_path / name))


def test_smaller_copies_are_not_pages(tmp_path):
  pages = [Image.fromarray(np.full(SIZE, value, np.uint8)) for value in (5, 6)]
  pages[0].save(tmp_path / 'a.tif', save_all=True, append_images=pages[1:], tiffinfo={254: 1})
  assert Image.open(tmp_path / 'a.tif').n_frames == 2
  assert (label_images.read(str(tmp_path / 'a.tif'), SIZE) == 5).all()
