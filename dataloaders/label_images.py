"""Label images: files whose pixels are values, or colors, that stand for classes."""

import numpy as np
from PIL import Image
from PIL import ImageOps
from PIL import TiffImagePlugin

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders.images import UnusableImage

_FORMATS = ('BMP', 'DIB', 'GIF', 'PNG', 'TIFF')  # keep every pixel's value
_LOSSY = ('AVIF', 'JPEG', 'JPEG2000', 'MPO', 'WEBP')  # or may be
_LOSSY_IN_TIFF = ('jpeg', 'tiff_jpeg', 'webp')
_ONE_CHANNEL = ('1', 'L', 'P', 'I', 'I;16', 'I;16B', 'I;16L')
_CHANNELS = ('LA', 'PA', 'RGB', 'RGBA')
_WITH_ALPHA = ('LA', 'PA', 'RGBA')
_OPAQUE = 255
# Pillow stretches gray of 2 and 4 bits to 0 .. 255; what the largest value was multiplied by.
_STRETCHED_BY = {2: 85, 4: 17}
_SUBFILE_TYPE = 254  # TIFF's tag; its bits of a page that is a smaller copy, or a mask, of another
_COPY_OR_MASK = 1 | 4
_WANTED = 'a label is one channel of integers'


class HasColors(UnusableImage):
  """A label image has colors where values are wanted."""


def read(path: str, size: tuple[int, int], form: str = 'values') -> np.ndarray:
  """Reads a label image and checks its size.

  Args:
    path: see `values_of`.
    size: (height, width) of its image.
    form: see `values_of`.

  Returns:
    See `values_of`.

  Raises:
    UnusableImage: see `values_of`; or the label has another size.
  """
  label = values_of(path, form)
  if label.shape != tuple(size):
    text = f'{path} is {label.shape[0]}x{label.shape[1]}, its image {size[0]}x{size[1]}'
    if label.shape == tuple(size)[::-1]:
      text += '; height and width are swapped, by the EXIF of one of the two?'
    raise UnusableImage(text)
  return label


def values_of(path: str, form: str = 'values') -> np.ndarray:
  """Reads a label image.

  Args:
    path: PNG, TIFF, BMP or GIF. Its EXIF turns it upright.
    form: 'values': integers of 1 to 32 bits, of a palette the indices; several channels are read
      where they are equal, and opaque. 'colors': what a viewer shows, opaque.

  Returns:
    Integers [height, width]: the values; of colors red + 256 green + 65536 blue.

  Raises:
    UnusableImage: it does not exist or cannot be decoded, or its pixels are not such values: it is
      of a lossy format, has several pages, fractions, transparent pixels, or (form 'values')
      colors.
  """
  data = images.load(path)
  image = images.decode(data, path)
  bits = images.bits_per_channel(image, data)
  with images.refusing(path):
    _require_lossless(image, path)
    _require_one_page(image, path)
    image = ImageOps.exif_transpose(image)
    if form == 'colors':
      return _colors(image, bits, path)
    return _values(image, bits, path)


def text_of(value: int, form: str) -> str:
  """Returns a value, or a color as [red, green, blue], as text."""
  if form == 'colors':
    return f'[{value % 256}, {value // 256 % 256}, {value // 65536}]'
  return str(value)


def classes_of(label: np.ndarray, data_set: str, path: str) -> np.ndarray:
  """Turns a label's values into classes by the `label_rule` and `void_labels` of the data set.

  Args:
    label: integers [height, width].
    data_set: see `catalog.get`.
    path: of the label, for messages.

  Returns:
    Classes, integers [height, width], -1 where void.

  Raises:
    UnusableImage: a value is neither a class nor void.
  """
  row = catalog.get(data_set)
  class_of = row.class_of_label
  values, inverse = np.unique(label, return_inverse=True)
  unknown = [int(value) for value in values if int(value) not in class_of]
  if unknown:
    shown = ', '.join(text_of(value, row.label_form) for value in unknown[:5])
    raise UnusableImage(
        f'{path} has {row.label_form} that are neither class nor void in {data_set}: {shown}')
  classes = np.array([class_of[int(value)] for value in values])
  return classes[inverse].reshape(label.shape)


def _require_lossless(image: Image.Image, path: str) -> None:
  """Raises UnusableImage where compression may have changed values."""
  if image.format in _LOSSY:
    raise UnusableImage(
        f'{path} is a {image.format} file, whose compression changes values; labels are PNG, TIFF, '
        'BMP or GIF')
  if image.format not in _FORMATS:
    raise UnusableImage(f'{path} is a {image.format} file; labels are PNG, TIFF, BMP or GIF')
  compression = image.info.get('compression')
  if image.format == 'TIFF' and compression in _LOSSY_IN_TIFF:
    raise UnusableImage(
        f'{path} is compressed by {compression}, which changes values; save labels without loss')


def _require_one_page(image: Image.Image, path: str) -> None:
  """Raises UnusableImage for several pages or frames; smaller copies of the first do not count."""
  num_pages = getattr(image, 'n_frames', 1)
  if num_pages == 1:
    return
  if isinstance(image, TiffImagePlugin.TiffImageFile):
    num_copies = 0
    for page in range(1, num_pages):
      image.seek(page)
      num_copies += bool(image.tag_v2.get(_SUBFILE_TYPE, 0) & _COPY_OR_MASK)
    image.seek(0)
    image.load()
    num_pages -= num_copies
  if num_pages > 1:
    raise UnusableImage(f'{path} has {num_pages} pages; a label is one')


def _values(image: Image.Image, bits: int, path: str) -> np.ndarray:
  """Returns the values of an image; see `values_of`."""
  mode = image.mode
  if mode in _ONE_CHANNEL:
    array = np.asarray(image)
    if mode == 'L' and bits in _STRETCHED_BY:
      array = array // _STRETCHED_BY[bits]
    return array.astype(np.uint8 if mode == '1' else array.dtype.newbyteorder('='))
  _require_channels(mode, bits, path)
  channels = np.asarray(image)
  if mode in _WITH_ALPHA:
    channels = _without_alpha(channels, mode, path)
  if (channels != channels[..., :1]).any():
    raise HasColors(f'{path} has colors (mode {mode}); {_WANTED}, or say which color is which '
                    'class')
  return channels[..., 0]


def _colors(image: Image.Image, bits: int, path: str) -> np.ndarray:
  """Returns the colors of an image; see `values_of`."""
  mode = image.mode
  if mode in ('1', 'L', 'P'):
    channels = np.asarray(image.convert('RGB'))
  else:
    _require_channels(mode, bits, path)
    channels = np.asarray(image.convert('RGBA' if mode in _WITH_ALPHA else 'RGB'))
    if mode in _WITH_ALPHA:
      channels = _without_alpha(channels, mode, path)
  return channels.astype(np.int32) @ np.array([1, 256, 65536], np.int32)


def _require_channels(mode: str, bits: int, path: str) -> None:
  """Raises UnusableImage where channels are not red, green and blue or gray of 8 bits."""
  if mode not in _CHANNELS:
    fractions = ', fractions' if mode == 'F' else ''
    raise UnusableImage(f'{path} has pixels of mode {mode}{fractions}; {_WANTED}')
  if bits > 8:
    raise UnusableImage(f'{path} has several channels of {bits} bits (mode {mode}); {_WANTED}')


def _without_alpha(channels: np.ndarray, mode: str, path: str) -> np.ndarray:
  """Returns all channels but the last; raises UnusableImage where that is not opaque."""
  if (channels[..., -1] != _OPAQUE).any():
    raise UnusableImage(f'{path} has transparent pixels (mode {mode}); {_WANTED}')
  return channels[..., :-1]
