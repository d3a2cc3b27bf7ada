"""Images of any origin: decoded, or refused by name, within bounded time and memory."""

import io
import os
import random
import resource
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.errors import UserError
from tf_maskformer.serving import inputs

_MUTATIONS = 400  # of each format


def _chunk(kind, data):
  body = kind + data
  return struct.pack('>I', len(data)) + body + struct.pack('>I', zlib.crc32(body))


def _png(width, height, *chunks):
  """Returns a PNG that claims a size; its pixels are missing."""
  head = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
  return b'\x89PNG\r\n\x1a\n' + b''.join(
      _chunk(*pair) for pair in ((b'IHDR', head), *chunks, (b'IDAT', b''), (b'IEND', b'')))


def _encoded(file_format, mode='RGB', **options):
  pixels = np.random.default_rng(0).integers(0, 255, (13, 17, 3), np.uint8)
  buffer = io.BytesIO()
  Image.fromarray(pixels).convert(mode).save(buffer, file_format, **options)
  return buffer.getvalue()


def _turned():
  exif = Image.Exif()
  exif[0x0112] = 6
  return exif


def _many_scans(count):
  buffer = io.BytesIO()
  Image.new('RGB', (2000, 2000)).save(buffer, 'JPEG', progressive=True)
  data = buffer.getvalue()
  scan = data[data.rindex(b'\xff\xda'):-2]
  return data[:-2] + count * scan + data[-2:]


@pytest.mark.parametrize('data, message', [
    (b'', 'unknown image format'),
    (b'\x89PNG\r\n\x1a\n', 'cannot be decoded'),
    (_png(60000, 60000), 'too many pixels .*--max_pixels raises the limit'),
    (_png(2**31 - 1, 2**31 - 1), 'too many pixels'),
    (_png(0, 5), 'cannot be decoded'),
    (_png(8, 8, (b'zTXt', b'k\0\0' + zlib.compress(bytes(10**8)))), 'too large'),
    (_png(5000, 5000), 'truncated'),
    (_many_scans(10000), 'scans'),
    (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n', 'unknown image format'),
    (_encoded('JPEG')[:-20], 'truncated'),
    (_encoded('WEBP', exif=b'Exif\0\0MM\0*' + b'\xff' * 8), '')])
def test_what_is_refused(data, message, tmp_path, recwarn, capfd):
  (tmp_path / 'a.jpg').write_bytes(data)
  before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  if message:
    with pytest.raises(UnusableImage, match=f'{tmp_path}/a.jpg .*{message}'):
      image_files.read(str(tmp_path / 'a.jpg'))
    with pytest.raises(UserError, match=message):
      inputs.as_rgb(tmp_path / 'a.jpg')
  else:
    assert inputs.as_rgb(tmp_path / 'a.jpg').shape == (13, 17, 3)
  assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB
  assert not recwarn and capfd.readouterr() == ('', '')


def test_what_is_not_a_file(tmp_path):
  (tmp_path / 'folder').mkdir()
  os.mkfifo(tmp_path / 'pipe')
  (tmp_path / 'loop').symlink_to('loop')
  (tmp_path / 'device').symlink_to('/dev/zero')
  for name in ('folder', 'pipe', 'loop', 'device'):
    with pytest.raises(UnusableImage, match=f'{name} is not a file'):
      images.load(str(tmp_path / name))
  for name in ('none', 'n\0ne', 'n' * 300):
    with pytest.raises(UnusableImage, match='does not exist|cannot be read'):
      images.load(str(tmp_path / name))


@pytest.mark.slow
def test_a_file_larger_than_an_image_can_be(tmp_path):
  with open(tmp_path / 'sparse.png', 'wb') as file:
    file.truncate(10**12)
  with pytest.raises(UnusableImage, match='sparse.png has more than .* bytes'):
    images.load(str(tmp_path / 'sparse.png'))


def test_the_limit_is_a_setting(tmp_path, monkeypatch):
  (tmp_path / 'a.png').write_bytes(_encoded('PNG'))
  monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', Image.MAX_IMAGE_PIXELS)
  try:
    images.allow(13 * 17)
    assert image_files.read(str(tmp_path / 'a.png')).size == (13, 17)
    images.allow(13 * 17 - 1)
    with pytest.raises(UnusableImage, match=r'too many pixels \(17 x 13, more than 220\)'):
      image_files.read(str(tmp_path / 'a.png'))
  finally:
    images.allow(images.MAX_PIXELS)


def _mutated(data, rng):
  data = bytearray(data)
  for _ in range(rng.randint(1, 4)):
    position = rng.randrange(min(len(data), rng.choice([40, 200, len(data)])))
    kind = rng.random()
    if kind < 0.6:
      data[position] = rng.choice([0, 127, 128, 255, rng.randrange(256)])
    elif kind < 0.7:
      data = data[:position + 1]
    elif kind < 0.8:
      del data[position:position + rng.randint(1, 8)]
      data = data or bytearray(1)
    else:
      data[position:position] = rng.randbytes(rng.randint(1, 8))
  return bytes(data)


@pytest.mark.parametrize('file_format, options', [
    ('PNG', {'exif': _turned()}), ('JPEG', {'exif': _turned(), 'progressive': True}),
    ('GIF', {'mode': 'P'}), ('WEBP', {'exif': _turned()}), ('BMP', {}), ('PPM', {})])
def test_damaged_files_are_unusable_at_worst(file_format, options, tmp_path, recwarn):
  rng = random.Random(file_format)
  images.allow(10**6)  # the sizes that mutations claim would take their time
  path = tmp_path / 'image'
  refused = 0
  try:
    for _ in range(_MUTATIONS):
      path.write_bytes(_mutated(_encoded(file_format, **options), rng))
      try:
        image_files.read(str(path))
      except UnusableImage:
        refused += 1
  finally:
    images.allow(images.MAX_PIXELS)
  assert 0 < refused < _MUTATIONS
  assert not recwarn


def test_encoded_as_pillow_writes_it(tmp_path):
  array = np.random.default_rng(0).integers(0, 255, (9, 8, 3), np.uint8)
  Image.fromarray(array).save(tmp_path / 'a.jpg', quality=92)
  assert images.encode(array, 'JPEG', quality=92) == (tmp_path / 'a.jpg').read_bytes()
