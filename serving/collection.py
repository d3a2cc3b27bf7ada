"""The JSON files of a folder of predictions."""

import os
import pathlib

from tf_maskformer import files
from tf_maskformer.serving.result import Result

PREDICTIONS = 'predictions.json'
COCO_RESULTS = 'coco_results.json'


class Collection:
  """Gathers results image by image; `write` writes them at the end."""

  def __init__(self):
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

  def write(self, folder: str | os.PathLike) -> None:
    """Writes predictions.json and, where the task tells things apart, coco_results.json.

    predictions.json is {'annotations': [`Result.to_json` per image]}. coco_results.json is the list
    of all images' `Result.to_coco`. In both, image_id is a number where the names of all images are
    different numbers, as COCO's are, else the name.
    """
    folder = pathlib.Path(folder)
    ids = _ids([row['image_id'] for row in self._rows])
    annotations = [{**row, 'image_id': ids[row['image_id']]} for row in self._rows]
    files.write_json(folder / PREDICTIONS, {'annotations': annotations}, indent=None)
    if self._has_things:
      rows = [{**row, 'image_id': ids[row['image_id']]} for found in self._found for row in found]
      files.write_json(folder / COCO_RESULTS, rows, indent=None)


def _ids(names: list[str]) -> dict[str, int | str]:
  """Returns each name's image_id, see `Collection.write`."""
  if all(name.isascii() and name.isdigit() for name in names):
    numbers: dict[str, int | str] = {name: int(name) for name in names}
    if len(set(numbers.values())) == len(names):
      return numbers
  return {name: name for name in names}
