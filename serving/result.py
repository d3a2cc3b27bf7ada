"""What is predicted of one image: segments, maps, an overlay, files."""

import contextlib
import functools
import os
import pathlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.ndimage
from PIL import Image
from pycocotools import mask as mask_tools

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import images
from tf_maskformer.evaluation import drawing
from tf_maskformer.evaluation import run_lengths
from tf_maskformer.serving import encoding
from tf_maskformer.serving import formats
from tf_maskformer.serving import labelme
from tf_maskformer.serving import supervision_form
from tf_maskformer.serving.segment import Segment

_LEGEND_ABOVE = 8  # classes in an image
_SHOWN_ABOVE = 0.5  # score of instances
_LARGEST_BYTE = 255


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

    A mask is bool [height, width] or COCO's compressed run lengths.
    """
    self.name = name
    self.image = image
    self.id_map = id_map
    self.task = task
    self.classes: Sequence[Class] = data_set.classes
    # Masks are held as run lengths: a hundred of bool would be 30 MB at 640 x 480.
    self._found = [_with_runs(row) for row in instances]
    self.shown: list[dict[str, Any]] = [_with_runs(row) for row in segments]
    self._data_set = data_set
    self._may_have_void = task != 'semantic'

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

  def only(self, classes: Collection[int] | None = None, threshold: float | None = None
           ) -> 'Result':
    """Returns the result with some of its segments; the pixels of the others become void.

    Args:
      classes: kept, counted from 0; None: all.
      threshold: segments and instances with a score above it are kept, of an instance task more
        than before where it is below 0.5; None: no score is too low.

    Raises:
      UserError: a threshold is given for a semantic task, which has no scores.
    """
    if threshold is not None and self.task == 'semantic':
      raise errors.UserError('a semantic prediction has no scores; leave out the threshold')

    def is_kept(row: Mapping[str, Any]) -> bool:
      is_wanted = classes is None or row['category_id'] in classes
      return is_wanted and (threshold is None or row['score'] > threshold)

    found = [row for row in self._found if is_kept(row)]
    if self.task == 'instance':
      limit = _SHOWN_ABOVE if threshold is None else threshold
      id_map, segments = _painted(found, self.size, limit)
    else:
      segments = [row for row in self.shown if is_kept(row)]
      kept_ids = np.array([0, *(row['id'] for row in segments)])
      id_map = np.where(np.isin(self.id_map, kept_ids), self.id_map, 0)
    selected = Result(
        self.name, self.image, id_map, segments, self._data_set, self.task, found)
    selected._may_have_void = True
    return selected

  def draw(self, legend: bool | None = None, boxes: bool = False, enlarged: bool = True
           ) -> Image.Image:
    """Returns the image with its segments in color, outlined and named.

    Args:
      legend: whether the classes' colors are explained at the side. None: for a semantic task, and
        where the image has more than 8 classes.
      boxes: whether boxes are drawn around things.
      enlarged: whether a small image is enlarged, so that names can be read.
    """
    if legend is None:
      num_classes = len({row['category_id'] for row in self.shown})
      legend = self.task == 'semantic' or num_classes > _LEGEND_ABOVE
    around: list[encoding.Box | None] = []
    if boxes and self.task != 'semantic':
      around = [segment.box if segment.is_thing else None for segment in self.segments]
    drawn = drawing.draw_panoptic(
        self.image, self.id_map, self.shown, self.classes, legend, around, enlarged)
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

  def to_labelme(self, image_path: str | os.PathLike, image_data: bytes | None = None) -> dict:
    """Returns the content of a JSON that LabelMe opens: polygons of every segment.

    Args:
      image_path: where the image is, relative to the JSON.
      image_data: the image file's bytes, to hold them in the JSON, too.
    """
    return labelme.document(self.segments, self.size, image_path, image_data)

  def to_supervision(self) -> Any:
    """Returns the segments as `supervision.Detections`.

    xyxy float32 [n, 4], mask bool [n, height, width], class_id (counted from 0), confidence (None
    for a semantic task), and data: class_name, segment_id, category_id (the data set's) per
    segment. Empty masks are left out.

    Raises:
      UserError: supervision is not installed.
    """
    return supervision_form.detections(self.segments, self.size)

  def save_images(self, folder: str | os.PathLike, name: str | None = None,
                  names: Collection[str] | None = None, boxes: bool = False) -> None:
    """Writes PNGs; they appear complete or, where one cannot be written, not at all.

    `<name>.png`: the segments' ids (id = R + 256 G + 65536 B), of a semantic task the class of each
    pixel. `<name>_labels.png`, of a panoptic task: the class of each pixel. `<name>_overlay.png`:
    as `draw`. Classes are counted from 0, 8 bits, or 16 where they need it; void is 255 or 65535.
    Those of 8 bits have the classes' colors as their palette, so that programs show them.
    `<name>_color.png`, where asked for: the segments' colors, without the image; up to 255 segments
    as a palette, where the pixels are the segments' ids.

    Args:
      folder: made if needed.
      name: may contain folders, which are made; None: the result's name.
      names: which of 'png', 'labels', 'overlay' and 'color' are written; others are ignored. None:
        the task's usual ones, as above.
      boxes: whether the overlay has boxes around things.

    Raises:
      OSError: the file system refuses.
    """
    path = pathlib.Path(folder) / (name or self.name)
    chosen = formats.DEFAULTS[self.task] if names is None else names
    encoders: dict[str, Callable[[], bytes]] = {
        'png': self._label_png if self.task == 'semantic' else self._id_png,
        'labels': self._label_png,
        'overlay': lambda: images.encode(np.asarray(self.draw(boxes=boxes)), 'PNG'),
        'color': self._color_png,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # Each file gets its name when the stack is left, that is once all of them are written.
    with contextlib.ExitStack() as stack:
      for form, encode in encoders.items():
        if form in chosen:
          ending, = formats.FORMATS[form]
          target = path.with_name(path.name + ending)
          temporary = stack.enter_context(files.write_atomically(target))
          pathlib.Path(temporary).write_bytes(encode())

  def save(self, folder: str | os.PathLike, name: str | None = None) -> None:
    """Writes the PNGs of `save_images` and `<name>.json`: {'annotations': [`to_json`]}.

    Arguments as `save_images`.
    """
    name = name or self.name
    self.save_images(folder, name)
    row = self.to_json(name, f'{name}.png')
    files.write_json(pathlib.Path(folder) / f'{name}.json', {'annotations': [row]}, indent=None)

  def _segment_to_json(self, segment: Segment) -> dict:
    value_in_png = segment.class_id if self.task == 'semantic' else segment.id
    row = {'id': value_in_png, 'category_id': segment.category_id, 'category_name': segment.label,
           'isthing': segment.is_thing, 'area': segment.area, 'bbox': list(segment.box)}
    if segment.score is not None:
      row['score'] = round(segment.score, 4)
    if self.task == 'instance':
      row['segmentation'] = encoding.runs_as_text(segment.runs)
    return row

  def _id_png(self) -> bytes:
    return images.encode(encoding.id_image(self.id_map), 'PNG')

  def _label_png(self) -> bytes:
    """The class of each pixel, shown in the classes' colors where 8 bits hold it."""
    labels = encoding.label_image(self.labels, len(self.classes), self._may_have_void)
    if labels.dtype != np.uint8:
      return images.encode(labels, 'PNG')
    return encoding.palette_png(labels, {i: c.color for i, c in enumerate(self.classes)})

  def _color_png(self) -> bytes:
    colors = drawing.colors_of(self.shown, self.classes)
    of_id = {row['id']: color for row, color in zip(self.shown, colors)}
    largest = max(int(self.id_map.max(initial=0)), *of_id, 0)
    if largest <= _LARGEST_BYTE:
      return encoding.palette_png(self.id_map.astype(np.uint8), of_id)
    table = np.zeros([largest + 1, 3], np.uint8)
    for segment_id, color in of_id.items():
      table[segment_id] = color
    return images.encode(table[self.id_map], 'PNG')


def _with_runs(row: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a segment or an instance with its mask, if it has one, as run lengths."""
  return {**row, 'mask': run_lengths.encode(row['mask'])} if 'mask' in row else dict(row)


def _painted(found: Sequence[Mapping[str, Any]], size: tuple[int, int], threshold: float
             ) -> tuple[np.ndarray, list[dict[str, Any]]]:
  """Returns the instances with a score above the threshold as an id map, the best on top.

  Args:
    found: dicts of category_id, score and mask (run lengths).
    size: (height, width).
    threshold: of the score.
  """
  id_map = np.zeros(size, np.int32)
  segments: list[dict[str, Any]] = []
  for row in sorted(found, key=lambda row: row['score']):
    if row['score'] > threshold:
      segment_id = len(segments) + 1
      segments.append({'id': segment_id, 'category_id': row['category_id'], 'isthing': True,
                       'score': row['score'], 'mask': row['mask']})
      id_map[run_lengths.decode(row['mask'])] = segment_id
  return id_map, segments
