"""Image files: reading, decoding, and what counts as an image here, 8 bits per channel."""

import io

import tensorflow as tf
from PIL import Image
from PIL import UnidentifiedImageError

TOO_DEEP = 'has more than 8 bits per pixel in gray, of unknown range; convert it to 8 bits'


class UnusableImage(Exception):
  """An image, or its annotation, cannot be used; the text says why."""


def is_deep(image: Image.Image) -> bool:
  """Whether an image is gray of 16 or 32 bits or of floats, which Pillow would clip at 255."""
  return image.mode.startswith(('I', 'F'))


def load(path: str) -> bytes:
  """Returns a file's bytes.

  Args:
    path: local or remote (gs://…).

  Raises:
    UnusableImage: the file does not exist.
  """
  try:
    with tf.io.gfile.GFile(path, 'rb') as file:
      return file.read()
  except tf.errors.NotFoundError as e:
    raise UnusableImage(f'{path} does not exist') from e


def decode(data: bytes, path: str) -> Image.Image:
  """Returns an image, all of its pixels decoded.

  Args:
    data: the file's bytes, of any format that Pillow reads.
    path: of the file, for messages.

  Raises:
    UnusableImage: it cannot be decoded.
  """
  try:
    image = Image.open(io.BytesIO(data))
    image.load()
  except UnidentifiedImageError as e:
    raise UnusableImage(f'{path} cannot be decoded (unknown image format)') from e
  except (OSError, SyntaxError, ValueError) as e:
    raise UnusableImage(f'{path} cannot be decoded ({e})') from e
  return image
