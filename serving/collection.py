"""The JSON files of a folder of predictions."""

import contextlib
import os
import pathlib
import time
from collections.abc import Collection as Container

from tf_maskformer import files
from tf_maskformer.serving import coco_dataset
from tf_maskformer.serving.result import Result

PREDICTIONS = 'predictions.json'
COCO_RESULTS = 'coco_results.json'
SUPERVISION = 'supervision.json'
FIFTYONE = 'fiftyone'  # the folder
# While images are predicted the files are written again and again, each time all of them. Between
# two writings at least so many times pass as the last one took: it costs 5 % at most.
_PAUSE = 20


class Collection:
  """Gathers results image by image; the files hold those of the last `write` or `update`.

  Attributes:
    num_written: images in the files.
  """

  def __init__(self, names: Container[str] = ('coco_panoptic', 'coco'), images_folder: str = ''):
    """Makes an empty one.

    Args:
      names: which of 'coco_panoptic', 'coco', 'supervision' and 'fiftyone' are written; others are
        ignored.
      images_folder: that all images are in, or in folders of; needed by the last two.
    """
    self.num_written = 0
    self._names = names
    self._images_folder = images_folder
    self._next_update = 0.0  # by time.monotonic()
    self._image_names: list[str] = []
    self._rows: list[dict] = []
    self._found: list[list[dict]] = []  # rows of `Result.to_coco` per image
    self._has_things = False
    self._classes: tuple = ()
    self._images: list[dict] = []  # of the data set's form
    self._annotations: list[dict] = []

  def __len__(self) -> int:
    return len(self._image_names)

  def add(self, result: Result, name: str, image_path: str | os.PathLike = '') -> None:
    """Adds an image's result.

    Args:
      result: the result.
      name: of the image, see `image_files.ImageFile`; its PNG is `<name>.png`.
      image_path: of the image's file, where 'supervision' or 'fiftyone' is written.
    """
    self._image_names.append(name)
    if 'coco_panoptic' in self._names:
      self._rows.append(result.to_json(name, f'{name}.png'))
    if 'coco' in self._names:
      self._found.append(result.to_coco(name))
      self._has_things |= result.task == 'instance' or (
          result.task == 'panoptic' and any(category.isthing for category in result.classes))
    if self._has_data_set:
      self._add_to_data_set(result, image_path)

  def start(self, folder: str | os.PathLike) -> None:
    """Writes files without an image, in place of those of an earlier run."""
    if 'coco_panoptic' in self._names or 'coco' in self._names:
      with contextlib.suppress(FileNotFoundError):
        os.remove(pathlib.Path(folder) / COCO_RESULTS)
    self.write(folder)
    self._next_update = 0.0  # the first result is written at once

  def update(self, folder: str | os.PathLike) -> None:
    """Writes the files unless it would cost much so soon after the last time; see `write`."""
    if time.monotonic() >= self._next_update:
      self.write(folder)

  def write(self, folder: str | os.PathLike) -> None:
    """Writes the files; each appears complete or not at all.

    predictions.json is {'annotations': [`Result.to_json` per image]}. coco_results.json is the list
    of all images' `Result.to_coco`, where the task tells things apart. In both, image_id is a
    number where the names of all images are different numbers, as COCO's are, else the name.
    supervision.json and fiftyone/labels.json are in COCO's form of a data set, where images count
    from 1; fiftyone/data.json says where each image is.
    """
    start = time.monotonic()
    folder = pathlib.Path(folder)
    if self._has_things:
      self._write_coco(folder)
    if 'coco_panoptic' in self._names:
      ids = _ids(self._image_names)
      annotations = [{**row, 'image_id': ids[row['image_id']]} for row in self._rows]
      files.write_json(folder / PREDICTIONS, {'annotations': annotations}, indent=None)
    if self._has_data_set:
      self._write_data_set(folder)
    self.num_written = len(self)
    end = time.monotonic()
    self._next_update = end + _PAUSE * (end - start)

  @property
  def _has_data_set(self) -> bool:
    return 'supervision' in self._names or 'fiftyone' in self._names

  def _write_coco(self, folder: pathlib.Path) -> None:
    ids = _ids(self._image_names)
    rows = [{**row, 'image_id': ids[row['image_id']]} for found in self._found for row in found]
    files.write_json(folder / COCO_RESULTS, rows, indent=None)

  def _add_to_data_set(self, result: Result, image_path: str | os.PathLike) -> None:
    self._classes = tuple(result.classes)
    height, width = result.size
    image_id = len(self._images) + 1
    relative = os.path.relpath(os.path.realpath(image_path), os.path.realpath(self._images_folder))
    name = pathlib.PurePath(relative).as_posix()
    self._images.append({'id': image_id, 'file_name': name, 'height': height, 'width': width})
    self._annotations += coco_dataset.annotations(
        result.segments, image_id, len(self._annotations) + 1)

  def _write_data_set(self, folder: pathlib.Path) -> None:
    images_folder = os.path.realpath(self._images_folder)
    content = coco_dataset.document(
        self._classes, self._images, self._annotations, images_folder)
    if 'supervision' in self._names:
      files.write_json(folder / SUPERVISION, content, indent=None)
    if 'fiftyone' in self._names:
      (folder / FIFTYONE).mkdir(exist_ok=True)
      places = {
          row['file_name']: os.path.join(images_folder, row['file_name']) for row in self._images}
      files.write_json(folder / FIFTYONE / 'data.json', places, indent=None)
      files.write_json(folder / FIFTYONE / 'labels.json', content, indent=None)


def _ids(names: list[str]) -> dict[str, int | str]:
  """Returns each name's image_id, see `Collection.write`."""
  if all(name.isascii() and name.isdigit() for name in names):
    numbers: dict[str, int | str] = {name: int(name) for name in names}
    if len(set(numbers.values())) == len(names):
      return numbers
  return {name: name for name in names}
