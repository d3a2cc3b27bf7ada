"""What is predicted of one image: segments, maps, an overlay, files."""

import contextlib
import dataclasses
import functools
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.ndimage
from PIL import Image
from pycocotools import mask as mask_tools

from tf_maskformer import files
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import images
from tf_maskformer.evaluation import drawing
from tf_maskformer.evaluation import run_lengths
from tf_maskformer.serving import encoding

_LEGEND_ABOVE = 8  # classes in an image


@dataclasses.dataclass(frozen=True, eq=False)
class Segment:
  """One segment of an image.

  Attributes:
    id: its pixels in `Result.id_map`, from 1.
    class_id: the class, counted from 0 (`Predictor.classes[class_id]`).
    category_id: the class's id in the data set's annotation files.
    label: the class's name.
    score: 0..1. Panoptic: the class's probability (of merged stuff, that of the first query);
      instance: that times the mean mask probability inside the mask; semantic: None.
    area: pixels of `mask`.
    box: left, top, width, height of `mask` in pixels, as COCO's boxes.
    is_thing: whether its class is one whose instances are told apart.
  """
  id: int
  class_id: int
  category_id: int
  label: str
  score: float | None
  area: int
  box: encoding.Box
  is_thing: bool
  _id_map: np.ndarray = dataclasses.field(repr=False)
  _runs: dict | None = dataclasses.field(default=None, repr=False)

  @property
  def mask(self) -> np.ndarray:
    """bool [height, width], made at each access; an instance's with the pixels that others hide."""
    if self._runs is not None:
      return mask_tools.decode(self._runs).astype(bool)
    return self._id_map == self.id

  @property
  def runs(self) -> dict:
    """The mask as COCO's compressed run lengths: size [height, width] and counts, ASCII bytes."""
    return self._runs if self._runs is not None else run_lengths.encode(self.mask)


class Result:
  """The prediction of one image.

  Attributes:
    name: of the image's file without folder and suffix; 'image' where it did not come from a file.
    image: uint8 [height, width, 3], RGB, upright.
    id_map: int32 [height, width]: the id of the segment of each pixel, 0 where there is none; where
      instances overlap, that of the highest score.
    task: 'panoptic', 'instance' or 'semantic'.
    classes: by contiguous number.
    shown: the segments as `evaluation.drawing` takes them: dicts of id, category_id (class) and, if
      known, score.
  """

  def __init__(self, name: str, image: np.ndarray, id_map: np.ndarray,
               segments: Sequence[Mapping[str, Any]], data_set: DataSet, task: str,
               instances: Sequence[Mapping[str, Any]] = ()):
    """Makes the result.

    Args:
      name: see above.
      image: uint8 [height, width, 3].
      id_map: int32 [height, width], 0 = void.
      segments: dicts of id, category_id (class), isthing and, if known, score and mask, as
        `modeling.postprocessing` returns them.
      data_set: the classes.
      task: see above.
      instances: every instance found, shown or not: dicts of category_id (class), score, mask.
    """
    self.name = name
    self.image = image
    self.id_map = id_map
    self.task = task
    self.classes: Sequence[Class] = data_set.classes
    # Masks are held as run lengths: a hundred of bool would be 30 MB at 640 x 480.
    self._found = [{**row, 'mask': run_lengths.encode(row['mask'])} for row in instances]
    self.shown: list[dict[str, Any]] = [
        {**row, 'mask': run_lengths.encode(row['mask'])} if 'mask' in row else dict(row)
        for row in segments]

  def __repr__(self) -> str:
    height, width = self.size
    return f'Result({self.name}: {self.task}, {height} x {width}, {len(self.shown)} segments)'

  @property
  def size(self) -> tuple[int, int]:
    """(height, width) in pixels."""
    return self.id_map.shape[0], self.id_map.shape[1]

  @functools.cached_property
  def segments(self) -> list[Segment]:
    """The segments by id. Of a semantic task one per class in the image, with id = class + 1.

    Of an instance task those with a score above 0.5, the highest last.
    """
    areas = np.bincount(self.id_map.ravel())
    boxes = scipy.ndimage.find_objects(self.id_map)
    found = []
    for row in self.shown:
      runs = row.get('mask')
      if runs is None:
        area = int(areas[row['id']])
        box = encoding.box_of_slices(*boxes[row['id'] - 1])
      else:
        area = int(mask_tools.area(runs))
        box = encoding.box_of_runs(runs)
      class_id = int(row['category_id'])
      category = self.classes[class_id]
      found.append(Segment(
          row['id'], class_id, category.id, category.name, row.get('score'), area, box,
          category.isthing, self.id_map, runs))
    return found

  @functools.cached_property
  def labels(self) -> np.ndarray:
    """int32 [height, width]: the class of each pixel, counted from 0; -1 = void, no segment."""
    table = np.full(int(self.id_map.max(initial=0)) + 1, -1, np.int32)
    for row in self.shown:
      if row['id'] < len(table):
        table[row['id']] = row['category_id']
    return table[self.id_map]

  def draw(self, legend: bool | None = None) -> Image.Image:
    """Returns the image with its segments in color, outlined and named; small images are enlarged.

    Args:
      legend: whether the classes' colors are explained at the side. None: for a semantic task, and
        where the image has more than 8 classes.
    """
    if legend is None:
      num_classes = len({row['category_id'] for row in self.shown})
      legend = self.task == 'semantic' or num_classes > _LEGEND_ABOVE
    drawn = drawing.draw_panoptic(self.image, self.id_map, self.shown, self.classes, legend)
    return Image.fromarray(drawn)

  def to_coco(self, image_id: int | str) -> list[dict]:
    """Returns rows of COCO's results format, for `pycocotools.coco.COCO.loadRes`.

    They are the segments that are things; of an instance task every instance found
    (`task.evaluation.instances_per_image`), whatever its score; of a semantic task none. Empty
    masks are left out. pycocotools computes a row's area from its box where there is one; for AP
    of masks by size delete `bbox` first.

    Args:
      image_id: the image's id in the annotation files.

    Returns:
      Dicts of image_id, category_id (the data set's), bbox [left, top, width, height] in pixels,
      score, and segmentation (size and counts, text), all of which JSON can hold.
    """
    if self.task == 'instance':
      found = [(row['category_id'], row['score'], row['mask']) for row in self._found]
    else:
      found = [(s.class_id, s.score, s.runs) for s in self.segments if s.is_thing]
    if self.task == 'semantic':
      found = []
    return [
        {'image_id': image_id, 'category_id': self.classes[class_id].id,
         'bbox': list(encoding.box_of_runs(runs)), 'score': score,
         'segmentation': encoding.runs_as_text(runs)}
        for class_id, score, runs in found if mask_tools.area(runs)]

  def to_json(self, image_id: int | str, file_name: str) -> dict:
    """Returns the image's entry in a `predictions.json`, COCO's panoptic format with additions.

    Per segment: id (its pixels in the PNG), category_id (the data set's), category_name, isthing,
    area, bbox, where known score, and of an instance segmentation: its complete mask as compressed
    run lengths, of which others may hide a part in the PNG.

    Args:
      image_id: of the image.
      file_name: of the PNG, see `save_images`.
    """
    return {'image_id': image_id, 'file_name': file_name,
            'segments_info': [self._segment_to_json(segment) for segment in self.segments]}

  def _segment_to_json(self, segment: Segment) -> dict:
    value_in_png = segment.class_id if self.task == 'semantic' else segment.id
    row = {'id': value_in_png, 'category_id': segment.category_id, 'category_name': segment.label,
           'isthing': segment.is_thing, 'area': segment.area, 'bbox': list(segment.box)}
    if segment.score is not None:
      row['score'] = round(segment.score, 4)
    if self.task == 'instance':
      row['segmentation'] = encoding.runs_as_text(segment.runs)
    return row

  def save_images(self, folder: str | os.PathLike, name: str | None = None) -> None:
    """Writes PNGs; they appear complete or, where one cannot be written, not at all.

    `<name>.png`: the segments' ids (id = R + 256 G + 65536 B), of a semantic task the class of each
    pixel. `<name>_labels.png`, of a panoptic task: the class of each pixel. `<name>_overlay.png`:
    as `draw`. Classes are counted from 0, 8 bits, or 16 where they need it; void is 255 or 65535.

    Args:
      folder: made if needed.
      name: may contain folders, which are made; None: the result's name.

    Raises:
      OSError: the file system refuses.
    """
    path = pathlib.Path(folder) / (name or self.name)
    labels = encoding.label_image(self.labels, len(self.classes), self.task != 'semantic')
    is_semantic = self.task == 'semantic'
    arrays = {'.png': labels if is_semantic else encoding.id_image(self.id_map)}
    if self.task == 'panoptic':
      arrays['_labels.png'] = labels
    arrays['_overlay.png'] = np.asarray(self.draw())
    path.parent.mkdir(parents=True, exist_ok=True)
    # Each file gets its name when the stack is left, that is once all of them are written.
    with contextlib.ExitStack() as stack:
      for ending, array in arrays.items():
        target = path.with_name(path.name + ending)
        temporary = stack.enter_context(files.write_atomically(target))
        pathlib.Path(temporary).write_bytes(images.encode(array, 'PNG'))

  def save(self, folder: str | os.PathLike, name: str | None = None) -> None:
    """Writes the PNGs of `save_images` and `<name>.json`: {'annotations': [`to_json`]}.

    Arguments as `save_images`.
    """
    name = name or self.name
    self.save_images(folder, name)
    row = self.to_json(name, f'{name}.png')
    files.write_json(pathlib.Path(folder) / f'{name}.json', {'annotations': [row]}, indent=None)
