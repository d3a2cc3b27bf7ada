"""The image of a row of a COCO JSON: found, read, and of the size that the JSON states."""

import posixpath
from typing import Any

from tf_maskformer.dataloaders import annotations
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.dataloaders.preparation import image_index
from tf_maskformer.dataloaders.preparation.image_files import ImageFile


def read(folder: str, row: dict[str, Any]) -> tuple[dict[str, Any], ImageFile]:
  """Reads the image of a row.

  Args:
    folder: of the images.
    row: of `annotations.read_instances` or `annotations.read_panoptic`; 'fault', 'remarks' and
      'shares_name' may be missing.

  Returns:
    the row with the size of the image and with the name that its file has in the folder, and the
    image, whose remarks are also those of the row.

  Raises:
    UnusableImage: the row has a fault, the image cannot be found or read, or has another size.
  """
  annotations.require_usable(row)
  name = image_index.find(folder, row['file_name'], row.get('shares_name', False))
  path = posixpath.join(folder, name)
  file = image_files.read(path)
  if row['height'] is not None:
    require_size(file, (row['height'], row['width']), path)
  found = {**row, 'file_name': name, 'height': file.size[0], 'width': file.size[1]}
  return found, file._replace(remarks=[*file.remarks, *row.get('remarks', [])])


def require_size(file: ImageFile, size: tuple[int, int], path: str) -> None:
  """Checks an image's size against what the JSON states.

  Args:
    file: the image.
    size: (height, width) of the JSON.
    path: of the image, for messages.

  Raises:
    UnusableImage: they differ; it is said where height and width are swapped.
  """
  if file.size == size:
    return
  height, width = file.size
  text = f'{path} is {height}x{width}, the JSON says {size[0]}x{size[1]} (height x width)'
  if file.size == size[::-1]:
    is_turned = any('turned by its EXIF' in remark for remark in file.remarks)
    text += ': height and width are swapped' + (
        ', for the image is turned by its EXIF and was annotated as it is stored; store it upright '
        'and turn its annotations' if is_turned else '; swap them in the JSON')
  raise UnusableImage(text)
