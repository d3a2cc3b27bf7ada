"""Image files: reading, decoding, and what counts as an image here, 8 bits per channel.

Files come from anywhere. What decoding one may cost is bounded before it is decoded, and whatever
Pillow makes of a damaged one is that image's fault alone.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image
from PIL import TiffImagePlugin
from PIL import UnidentifiedImageError

from tf_maskformer import errors

TOO_DEEP = 'has more than 8 bits per pixel in gray, of unknown range; convert it to 8 bits'
# Width x height. Pillow refuses more by default too, twice its MAX_IMAGE_PIXELS: 512 MiB of RGB.
MAX_PIXELS = 178_956_970
# Formats of photographs and labels. Pillow knows others, and starts a program for one (EPS).
_FORMATS = (
    'AVIF', 'BMP', 'DIB', 'GIF', 'JPEG', 'JPEG2000', 'MPO', 'PNG', 'PPM', 'QOI', 'TGA', 'TIFF',
    'WEBP')
_BYTES_PER_PIXEL = 8  # more than any of the formats needs, uncompressed
_SMALLEST_LIMIT = 2**26  # bytes; a small image may carry that much of something else
# Each scan of a progressive JPEG visits every pixel, and takes a few bytes of the file. Cameras
# write at most 15; 100 scans of the largest image are allowed.
_MAX_SCANS = 100
_START_OF_SCAN = b'\xff\xda'

_PNG_DEPTH = 24  # offset of the bits per channel in a PNG
_TIFF_BITS_PER_SAMPLE = 258  # the tag

_max_pixels = MAX_PIXELS


class UnusableImage(Exception):
  """An image, or its annotation, cannot be used; the text says why, in one printable line."""

  def __init__(self, message: str):
    super().__init__(errors.one_line(message))


class TooManyPixels(UnusableImage):
  """An image has more pixels than are allowed."""


def allow(max_pixels: int) -> None:
  """Sets how many pixels an image of this process may have.

  Args:
    max_pixels: width x height, 1 or more.
  """
  global _max_pixels
  _max_pixels = max_pixels
  Image.MAX_IMAGE_PIXELS = max_pixels  # Pillow's own limit would come before a larger one


def max_pixels() -> int:
  """Returns how many pixels an image may have."""
  return _max_pixels


def is_deep(image: Image.Image) -> bool:
  """Whether an image is gray of 16 or 32 bits or of floats, which Pillow would clip at 255."""
  return image.mode.startswith(('I', 'F'))


def bits_per_channel(image: Image.Image, data: bytes) -> int:
  """Returns the bits per channel in a file, which Pillow's mode does not always tell.

  Args:
    image: decoded by `decode`.
    data: the file's bytes.
  """
  if image.format == 'PNG':
    return data[_PNG_DEPTH]
  if isinstance(image, TiffImagePlugin.TiffImageFile):
    return max(image.tag_v2.get(_TIFF_BITS_PER_SAMPLE, (1,)))
  return 8


def load(path: str) -> bytes:
  """Returns a file's bytes.

  Args:
    path: local or remote (gs://…).

  Raises:
    UnusableImage: the file does not exist, is not a file or not this user's, or is larger than an
      image can be.
    UserError: the file system failed; the same file may be read at another time.
  """
  import tensorflow as tf  # only here: the embedded data set is drawn without it

  limit = max(_SMALLEST_LIMIT, _BYTES_PER_PIXEL * _max_pixels)
  # A pipe would be waited for, a device may have no end; links may lead nowhere.
  if '://' not in path and os.path.lexists(path) and not os.path.isfile(path):
    raise UnusableImage(f'{path} is not a file')
  try:
    with tf.io.gfile.GFile(path, 'rb') as file:
      data = file.read(limit + 1)
  except tf.errors.NotFoundError as e:
    raise UnusableImage(f'{path} does not exist') from e
  except (tf.errors.PermissionDeniedError, tf.errors.FailedPreconditionError,
          tf.errors.InvalidArgumentError) as e:
    raise UnusableImage(f'{path} cannot be read ({errors.reason(e)})') from e
  except tf.errors.OpError as e:
    raise errors.UserError(
        f'{path} cannot be read ({errors.reason(e)}); run the same command again') from e
  if len(data) > limit:
    raise UnusableImage(f'{path} has more than {limit} bytes; --max_pixels raises the limit')
  return data


@contextlib.contextmanager
def refusing(path: str) -> Iterator[None]:
  """Turns whatever Pillow raises inside the block into UnusableImage, and keeps it silent.

  Args:
    path: of the image, for messages.
  """
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')  # of Pillow, about what is odd in a file
      yield
  except (UnusableImage, errors.UserError):
    raise
  except Image.DecompressionBombError as e:
    raise TooManyPixels(_too_large(path, errors.quoted(e))) from e
  except UnidentifiedImageError as e:
    raise UnusableImage(f'{path} cannot be decoded (unknown image format)') from e
  except MemoryError as e:
    raise UnusableImage(f'{path} cannot be decoded (not enough memory)') from e
  except Exception as e:  # pylint: disable=broad-except
    # Damaged files raise struct.error, zlib.error, IndexError, TypeError, ... from all over Pillow.
    text = f'{type(e).__name__}: {errors.quoted(e)}' if str(e) else type(e).__name__
    if isinstance(e, (OSError, SyntaxError, ValueError)) and str(e):
      text = errors.quoted(e)  # Pillow's own words
    raise UnusableImage(f'{path} cannot be decoded ({text})') from e


def decode(data: bytes, path: str) -> Image.Image:
  """Returns an image, all of its pixels decoded; of several frames or pages the first.

  Args:
    data: the file's bytes: AVIF, BMP, GIF, JPEG, JPEG 2000, PNG, PPM, QOI, TGA, TIFF or WebP.
    path: of the file, for messages.

  Raises:
    UnusableImage: it cannot be decoded.
    TooManyPixels: it has more pixels than `max_pixels()`.
  """
  with refusing(path):
    image = Image.open(io.BytesIO(data), formats=_known_formats())
    if image.width * image.height > _max_pixels:
      size = f'{image.width} x {image.height}, more than {_max_pixels}'
      raise TooManyPixels(_too_large(path, size))
    _check_scans(image, data, path)
    image.load()
  return image


def encode(array: np.ndarray, file_format: str, **options: Any) -> bytes:
  """Returns an image file's bytes.

  They are written by `files.write_bytes`, which notices a full disk; Pillow may not.

  Args:
    array: uint8 [height, width, 3], RGB, or uint8 or uint16 [height, width].
    file_format: 'PNG' or 'JPEG'.
    **options: of Pillow, for the format.
  """
  buffer = io.BytesIO()
  Image.fromarray(array).save(buffer, file_format, **options)
  return buffer.getvalue()


def _known_formats() -> list[str]:
  """Returns those of `_FORMATS` that this build of Pillow has."""
  Image.init()
  return [name for name in _FORMATS if name in Image.OPEN]


def _too_large(path: str, size: str) -> str:
  return f'{path} has too many pixels ({size}); --max_pixels raises the limit'


def _check_scans(image: Image.Image, data: bytes, path: str) -> None:
  """Raises UnusableImage for a small JPEG that would take hours."""
  if image.format not in ('JPEG', 'MPO'):
    return
  scans = data.count(_START_OF_SCAN)  # and what looks like one; data after the image may
  if scans * image.width * image.height > _MAX_SCANS * MAX_PIXELS:
    raise UnusableImage(f'{path} cannot be decoded ({scans} scans)')
