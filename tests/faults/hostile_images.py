"""Hostile images: bombs, lies in headers, damaged files of every format that is read."""

import io
import random
import struct
import zlib
from collections.abc import Callable

from PIL import Image

from tests.faults.good_files import Good
from tests.faults.hostile_pickles import change

_SIGNATURE = b'\x89PNG\r\n\x1a\n'


def _chunk(name: bytes, data: bytes) -> bytes:
  return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))


def _png(width: int, height: int, pixels: bytes, extra: bytes = b'', depth: int = 8, color: int = 2
         ) -> bytes:
  header = struct.pack('>IIBBBBB', width, height, depth, color, 0, 0, 0)
  end = _chunk(b'IDAT', pixels) + _chunk(b'IEND', b'')
  return _SIGNATURE + _chunk(b'IHDR', header) + extra + end


def png_bomb(chance: random.Random, good: Good) -> bytes:
  """More pixels than memory: with them, compressed, or only announced."""
  del good
  size = chance.choice((30_000, 60_000, 2**31 - 1))
  pixels = zlib.compress(bytes(chance.choice((100, 1 << 26))), 9)
  return _png(size, chance.choice((size, 60_000)), pixels)


def png_text(chance: random.Random, good: Good) -> bytes:
  """Text or a color profile that unfolds into hundreds of megabytes."""
  del good
  data = zlib.compress(bytes(chance.choice((1 << 26, 1 << 28))), 9)
  chunk = chance.choice((
      _chunk(b'zTXt', b'a\0\0' + data), _chunk(b'iTXt', b'a\0\1\0\0\0' + data),
      _chunk(b'iCCP', b'a\0\0' + data), _chunk(b'tEXt', b'a\0' + b'b' * 5_000_000),
      _chunk(b'eXIf', b'MM\0*' + bytes(chance.randrange(256) for _ in range(2000)))))
  pixels = zlib.compress(b''.join(b'\0' + bytes(12) for _ in range(4)))
  return _png(4, 4, pixels, chunk * chance.choice((1, 20)))


def png_header(chance: random.Random, good: Good) -> bytes:
  """Sizes, depths and colors that do not exist or do not fit the pixels."""
  del good
  pixels = zlib.compress(bytes(chance.choice((0, 10, 1000))))
  return _png(chance.choice((0, 1, 7, 2**32 - 1)), chance.choice((0, 1, 7, 2**32 - 1)), pixels,
              depth=chance.choice((0, 1, 3, 8, 16, 255)), color=chance.choice((0, 1, 2, 3, 6, 9)))


def jpeg_size(chance: random.Random, good: Good) -> bytes:
  """A JPEG whose header announces another size than its content has."""
  data = bytearray(good.images['.jpg'])
  position = data.index(b'\xff\xc0') + 5
  struct.pack_into('>HH', data, position, chance.choice((0, 1, 65_535)), chance.choice((0, 65_535)))
  return bytes(data)


def frames(chance: random.Random, good: Good) -> bytes:
  """Hundreds of frames in one file."""
  del good
  images = [Image.new('P', (64, 64), i % 256) for i in range(chance.choice((10, 800)))]
  target = io.BytesIO()
  kind = chance.choice(('GIF', 'TIFF', 'PNG'))
  images[0].save(target, kind, save_all=True, append_images=images[1:])
  return target.getvalue()


def bitmap(chance: random.Random, good: Good) -> bytes:
  """BMP and PPM headers with huge or negative sizes."""
  del good
  size = chance.choice((0, -1, 100_000, 2**31 - 1))
  header = struct.pack('<IiiHHIIiiII', 40, size, chance.choice((size, 1)), 1, 24, 0, 0, 0, 0, 0, 0)
  bmp = b'BM' + struct.pack('<IHHI', 54, 0, 0, 54) + header + bytes(100)
  return chance.choice((bmp, f'P6 {abs(size)} {abs(size)} 255\n'.encode() + bytes(100),
                        b'P6 ' + b'9' * 10_000 + b' 1 255\n', b'', b'GIF89a', bytes(1000),
                        b'<svg xmlns="http://www.w3.org/2000/svg"/>'))


def mutated(chance: random.Random, good: Good) -> bytes:
  """A good image with some bytes changed, or cut."""
  data = good.images[chance.choice(sorted(good.images))]
  if chance.random() < 0.3:
    return data[:chance.randrange(len(data))]
  return change(chance, data)


MAKERS: tuple[Callable[[random.Random, Good], bytes], ...] = (
    png_bomb, png_text, png_header, jpeg_size, frames, bitmap, mutated, mutated)
