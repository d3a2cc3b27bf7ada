"""The JSON files of a folder of predictions."""

import contextlib
import os
import pathlib
import time

from tf_maskformer import files
from tf_maskformer.serving.result import Result

PREDICTIONS = 'predictions.json'
COCO_RESULTS = 'coco_results.json'
# While images are predicted the files are written again and again, each time all of them. Between
# two writings at least so many times pass as the last one took: it costs 5 % at most.
_PAUSE = 20


class Collection:
  """Gathers results image by image; the files hold those of the last `write` or `update`.

  Attributes:
    num_written: images in the files.
  """

  def __init__(self):
    self.num_written = 0
    self._next_update = 0.0  # by time.monotonic()
    self._rows: list[dict] = []
    self._found: list[list[dict]] = []  # rows of `Result.to_coco` per image
    self._has_things = False

  def __len__(self) -> int:
    return len(self._rows)

  def add(self, result: Result, name: str) -> None:
    """Adds an image's result.

    Args:
      result: the result.
      name: of the image, see `image_files.ImageFile`; its PNG is `<name>.png`.
    """
    self._rows.append(result.to_json(name, f'{name}.png'))
    self._found.append(result.to_coco(name))
    self._has_things |= result.task == 'instance' or (
        result.task == 'panoptic' and any(category.isthing for category in result.classes))

  def start(self, folder: str | os.PathLike) -> None:
    """Writes files without an image, in place of those of an earlier run."""
    with contextlib.suppress(FileNotFoundError):
      os.remove(pathlib.Path(folder) / COCO_RESULTS)
    self.write(folder)
    self._next_update = 0.0  # the first result is written at once

  def update(self, folder: str | os.PathLike) -> None:
    """Writes the files unless it would cost much so soon after the last time; see `write`."""
    if time.monotonic() >= self._next_update:
      self.write(folder)

  def write(self, folder: str | os.PathLike) -> None:
    """Writes predictions.json and, where the task tells things apart, coco_results.json.

    predictions.json is {'annotations': [`Result.to_json` per image]}. coco_results.json is the list
    of all images' `Result.to_coco`. In both, image_id is a number where the names of all images are
    different numbers, as COCO's are, else the name. Each file appears complete or not at all.
    """
    start = time.monotonic()
    folder = pathlib.Path(folder)
    ids = _ids([row['image_id'] for row in self._rows])
    if self._has_things:
      rows = [{**row, 'image_id': ids[row['image_id']]} for found in self._found for row in found]
      files.write_json(folder / COCO_RESULTS, rows, indent=None)
    annotations = [{**row, 'image_id': ids[row['image_id']]} for row in self._rows]
    files.write_json(folder / PREDICTIONS, {'annotations': annotations}, indent=None)
    self.num_written = len(self)
    end = time.monotonic()
    self._next_update = end + _PAUSE * (end - start)


def _ids(names: list[str]) -> dict[str, int | str]:
  """Returns each name's image_id, see `Collection.write`."""
  if all(name.isascii() and name.isdigit() for name in names):
    numbers: dict[str, int | str] = {name: int(name) for name in names}
    if len(set(numbers.values())) == len(names):
      return numbers
  return {name: name for name in names}
