"""Label images whose red and green say what a pixel is, as ADE20K has them."""

import numpy as np

from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders.images import UnusableImage


def read(path: str, size: tuple[int, int]) -> np.ndarray:
  """Returns a label image, uint8 [height, width, 3], RGB.

  Args:
    path: of the PNG.
    size: (height, width) of its image.

  Raises:
    UnusableImage: it cannot be read, is not RGB, or has another size.
  """
  label = images.decode(images.load(path), path)
  if label.mode not in ('RGB', 'RGBA'):
    raise UnusableImage(f'{path} is {label.mode}, not RGB; its labels are colors')
  pixels = np.asarray(label)[:, :, :3]
  if pixels.shape[:2] != tuple(size):
    raise UnusableImage(
        f'{path} is {pixels.shape[0]}x{pixels.shape[1]}, its image {size[0]}x{size[1]}')
  return pixels
