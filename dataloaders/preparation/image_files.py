"""An image file as it goes into a record: upright, JPEG or PNG, 8 bits per channel."""

import io
from typing import NamedTuple

from PIL import Image
from PIL import ImageOps

from tf_maskformer.dataloaders import images

_ORIENTATION = 0x0112  # EXIF's tag
_UPRIGHT = 1  # its value where nothing is turned
_KEPT_FORMATS = ('jpeg', 'png')
_KEPT_MODES = ('RGB', 'L')


class ImageFile(NamedTuple):
  """An image and its file.

  Attributes:
    image: decoded, upright.
    data: the file for the record.
    format: of `data`, 'jpeg' or 'png'.
    remarks: what was changed.
  """
  image: Image.Image
  data: bytes
  format: str
  remarks: list[str]

  @property
  def size(self) -> tuple[int, int]:
    """(height, width) in pixels."""
    return self.image.height, self.image.width


def read(path: str) -> ImageFile:
  """Reads an image.

  A JPEG or PNG of 8 bits in RGB or gray is kept as it is. Other formats (CMYK, palettes, BMP, GIF,
  WebP, ...), several channels of 16 bits (their upper 8), and images that their EXIF turns become
  RGB PNG of 8 bits. Prediction (serving/inputs.py) sees the same pixels.

  Args:
    path: local or remote.

  Raises:
    UnusableImage: the file does not exist or cannot be decoded, has too many pixels, or is gray of
      more than 8 bits, whose range is unknown.
    UserError: see `images.load`.
  """
  return of_data(images.load(path), path)


def of_data(data: bytes, path: str) -> ImageFile:
  """Returns an image of which the file's bytes are known; see `read`."""
  image = images.decode(data, path)
  if images.is_deep(image):
    raise images.UnusableImage(f'{path} {images.TOO_DEEP}')
  with images.refusing(path):  # the EXIF is read only now
    return _as_stored(image, data)


def _as_stored(image: Image.Image, data: bytes) -> ImageFile:
  """Returns an image with the file for the record; raises whatever Pillow does."""
  file_format = (image.format or 'JPEG').lower()
  is_turned = image.getexif().get(_ORIENTATION, _UPRIGHT) != _UPRIGHT
  has_16_bits = images.bits_per_channel(image, data) == 16
  is_plain = file_format in _KEPT_FORMATS and image.mode in _KEPT_MODES
  if is_plain and not is_turned and not has_16_bits:
    return ImageFile(image, data, file_format, [])
  reason = f'{image.format} {"16 bits" if has_16_bits else image.mode}'
  if is_turned:
    reason = 'turned by its EXIF'
  upright = ImageOps.exif_transpose(image)
  buffer = io.BytesIO()
  upright.convert('RGB').save(buffer, 'PNG')
  return ImageFile(upright, buffer.getvalue(), 'png', [f'image ({reason}) stored as RGB PNG'])


def require_size(file: ImageFile, size: tuple[int, int], path: str, where: str = 'the JSON'
                 ) -> None:
  """Checks an image's size against its annotation's.

  Args:
    file: the image.
    size: (height, width) of the annotation.
    path: of the image, for messages.
    where: what states `size`, for messages.

  Raises:
    UnusableImage: they differ.
  """
  if file.size != size:
    height, width = file.size
    raise images.UnusableImage(
        f'{path} is {height}x{width}, {where} says {size[0]}x{size[1]}')
