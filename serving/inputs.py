"""What is predicted: an image as a file, a PIL image or an array becomes RGB bytes."""

import os
import pathlib

import numpy as np
from PIL import Image
from PIL import ImageOps

from tf_maskformer.dataloaders import images
from tf_maskformer.errors import UserError

ImageLike = str | os.PathLike | Image.Image | np.ndarray


def as_rgb(image: ImageLike) -> np.ndarray:
  """Returns an image as uint8 [height, width, 3], RGB.

  Args:
    image: the path of a file that Pillow reads, a PIL image of any mode with 8 bits per channel, or
      an array uint8 [height, width, 3] (RGB) or [height, width] (gray). Files and PIL images are
      turned upright as their EXIF orientation says; transparency is left out.

  Raises:
    UserError: it is not an image, cannot be decoded, or has more than 8 bits per channel.
  """
  if isinstance(image, np.ndarray):
    return _of_array(image)
  if isinstance(image, Image.Image):
    return _of_pillow(image, 'the PIL image')
  if isinstance(image, (str, os.PathLike)):
    return _of_file(pathlib.Path(image))
  raise UserError(
      f'an image of type {type(image).__name__} cannot be predicted; give a path, a PIL image, or '
      'a uint8 array [height, width, 3]')


def of_bytes(data: bytes, name: str) -> np.ndarray:
  """Returns an image file's bytes as `as_rgb` does.

  Args:
    data: of a file in a form that `as_rgb` takes.
    name: of the image, for messages.

  Raises:
    UserError: it cannot be decoded, or has more than 8 bits per channel.
  """
  try:
    image = images.decode(data, name)
  except images.UnusableImage as e:
    raise UserError(str(e)) from e
  return _of_pillow(image, name)


def name_of(image: ImageLike) -> str:
  """Returns what an image's results are called: its file's name without suffix, else 'image'."""
  path = image if isinstance(image, (str, os.PathLike)) else getattr(image, 'filename', '')
  return pathlib.Path(path).stem or 'image'


def _of_array(array: np.ndarray) -> np.ndarray:
  is_gray = array.ndim == 2
  is_color = array.ndim == 3 and array.shape[2] == 3
  if array.dtype != np.uint8 or not (is_gray or is_color) or not array.size:
    raise UserError(
        f'an array {array.dtype} {list(array.shape)} is not an image; give uint8 '
        '[height, width, 3], RGB, or [height, width], gray; several images as a list')
  return np.repeat(array[..., None], 3, axis=2) if is_gray else array


def _of_file(path: pathlib.Path) -> np.ndarray:
  if path.is_dir():
    raise UserError(f'{path} is a folder, not an image; give its images, as a list')
  if not path.exists():
    raise UserError(f'image {path} does not exist')
  try:
    data = images.load(str(path))
  except images.UnusableImage as e:
    raise UserError(str(e)) from e
  return of_bytes(data, str(path))


def _of_pillow(image: Image.Image, name: str) -> np.ndarray:
  try:
    with images.refusing(name):  # decodes an image that is only open, and reads the EXIF
      if images.is_deep(image):
        raise images.UnusableImage(f'{name} {images.TOO_DEEP}')
      return np.asarray(ImageOps.exif_transpose(image).convert('RGB'))
  except images.UnusableImage as e:
    raise UserError(str(e)) from e
