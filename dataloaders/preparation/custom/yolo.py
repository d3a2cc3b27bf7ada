"""YOLO's polygons: a data.yaml, and a text file per image with shares of its width and height.

A line is the class's number and x1 y1 x2 y2 ..., each 0 .. 1. Labels are in a folder `labels` where
the images are in one called `images`, or next to the images.
"""

import contextlib
import dataclasses
import functools
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tf_maskformer import errors
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import coco_categories
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import coco_instances
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.dataloaders.preparation import source
from tf_maskformer.dataloaders.preparation.custom import coco_classes
from tf_maskformer.dataloaders.preparation.custom import yolo_files
from tf_maskformer.dataloaders.preparation.custom.found import Found
from tf_maskformer.dataloaders.preparation.custom.found import Request

_BOX = 5  # numbers of a line that is a box
_FEWEST = 7  # numbers of a line that is a polygon of three corners
_TOLERANCE = 0.05  # how far a corner may be outside the image; it is moved to the edge


@dataclasses.dataclass(frozen=True)
class YoloPolygons(source.Source):
  """One split.

  Attributes:
    images: folder of images, or text file with a path per line.
    root: folder that relative paths of such a list are below.
    names: file that names the classes: data.yaml, or a text file with a name per line; '': the
      numbers are ids of the data set's classes.
    data_set: see `catalog.get`.
  """
  images: str
  root: str
  names: str
  data_set: str

  def rows(self) -> list[dict[str, Any]]:
    """Returns one dict per image: id, file_name, label (path of the text file, '' without one)."""
    folder, names = yolo_files.images_of(self.images, self.root)
    own_id = self._own_ids()
    return [
        {'id': posixpath.splitext(name)[0], 'file_name': name, 'folder': folder, 'own_id': own_id,
         'label': yolo_files.label_of(folder, name)}
        for name in names]

  def _own_ids(self) -> dict[str, int | None] | None:
    """Returns the data set's id by the number of a class; None where they are the same."""
    if not self.names:
      return None
    names = yolo_files.read_names(self.names)
    own = coco_categories.resolve(names, _matched(names, self.data_set), self.data_set, self.names)
    return {str(number): class_id for number, class_id in own.items()}

  def convert_image(self, row: dict[str, Any]) -> source.Converted:
    """See `Source.convert_image`; UserError where a class has a number that is not named."""
    file = image_files.read(posixpath.join(row['folder'], row['file_name']))
    height, width = file.size
    instances: list[dict[str, Any]] = []
    label = row['label']
    objects, num_moved = read_label(label) if label else ([], 0)
    for number, corners in objects:
      own_id = number if row['own_id'] is None else row['own_id'].get(str(number), -1)
      if own_id == -1:
        raise errors.UserError(
            f'{label} has the class {number}, which {self.names} does not name; correct either')
      if own_id is None:
        continue
      scaled = [c * (width, height)[k % 2] for k, c in enumerate(corners)]
      instances.append({
          'id': len(instances) + 1,
          'category_id': own_id,
          'iscrowd': 0,
          'area': None,
          'segmentation': [scaled],
      })
    if num_moved:
      remark = f'{num_moved} corners outside the image are moved to its edge'
      file = file._replace(remarks=[*file.remarks, remark])
    return coco_instances.record_of({**row, 'instances': instances}, file, self.data_set)

  def annotations_state(self) -> list[int]:
    """See `Source.annotations_state`."""
    folders = {posixpath.dirname(row['label']) for row in self.rows() if row['label']}
    states = [state for folder in sorted(folders) for state in source.folder_state(folder)]
    return states + (source.file_state(self.names) if self.names else [])


def _matched(names: Mapping[int, str], data_set: str) -> list[int]:
  """Returns the numbers of the classes that a data set has, or ignores."""
  found = []
  for number in names:
    # What is not found is a class that no label has; those that labels have were checked.
    with contextlib.suppress(errors.UserError):
      coco_categories.resolve(dict(names), [number], data_set, '')
      found.append(number)
  return found


def read_label(path: str) -> tuple[list[tuple[int, list[float]]], int]:
  """Returns the objects of a text file, and how many corners were moved to the image's edge.

  Returns:
    (number of the class, x1, y1, x2, y2, ... as shares of width and height) of each object.

  Raises:
    UnusableImage: a line is not a polygon.
  """
  objects = []
  num_moved = 0
  try:
    text = yolo_files.read_text(path)
  except errors.UserError as e:
    raise UnusableImage(str(e)) from e
  for place, line in enumerate(text.splitlines(), 1):
    words = line.split()
    if not words:
      continue
    where = f'{path}, line {place}'
    try:
      numbers = [float(word) for word in words]
    except ValueError as e:
      raise UnusableImage(f'{where}: it is not numbers ({errors.quoted(line)})') from e
    if not numbers[0].is_integer() or not 0 <= numbers[0] < 2**31:
      raise UnusableImage(f'{where}: {words[0]} is not the number of a class')
    if len(numbers) == _BOX:
      raise UnusableImage(f'{where}: it is a box (5 numbers), and boxes are not masks')
    if len(numbers) < _FEWEST or len(numbers) % 2 == 0:
      raise UnusableImage(
          f'{where}: {len(numbers)} numbers are not a class and the corners of a polygon')
    corners = [min(max(number, 0.0), 1.0) for number in numbers[1:]]
    far = [n for n in numbers[1:] if not -_TOLERANCE <= n <= 1 + _TOLERANCE]
    if far:
      raise UnusableImage(f'{where}: {far[0]} is not a share of the width or height, 0 to 1')
    num_moved += sum(corner != number for corner, number in zip(corners, numbers[1:]))
    objects.append((int(numbers[0]), corners))
  return objects, num_moved


class _Seen:
  """What the labels of all splits hold.

  Attributes:
    uses: objects by the number of their class.
    where: a label that has each number.
    boxes: lines that are boxes.
    said: a line per split.
  """

  def __init__(self):
    self.uses: Counter[int] = Counter()
    self.where: dict[int, str] = {}
    self.boxes = 0
    self.said: list[str] = []

  def look(self, split: str, labels: Iterable[str], images: str) -> None:
    """Reads all labels of a split; UserError where there is none."""
    num_images = num_missing = num_empty = num_damaged = 0
    for label in labels:
      num_images += 1
      if not label:
        num_missing += 1
        continue
      numbers, boxes = _numbers(label)
      self.boxes += boxes
      num_empty += not numbers and not boxes
      num_damaged += numbers is None
      for number in numbers or ():
        self.uses[number] += 1
        self.where.setdefault(number, label)
    if num_images == num_missing:
      raise errors.UserError(
          f'none of the {num_images} images of {images} has a label; expected are text files of '
          "the images' names in a folder labels next to the folder images, or next to the images")
    self.said.append(
        f'{split or "images"}: {num_images} images of {images}; {num_empty} have an empty label '
        f'and {num_missing} none: they are kept, with nothing in them')
    if num_damaged:
      self.said.append(f'{split or "images"}: {num_damaged} labels are damaged; their images are '
                       'refused')


def _numbers(path: str) -> tuple[list[int] | None, int]:
  """Returns the class of each line of a label, None where it is damaged, and how many are boxes."""
  try:
    lines = [line.split() for line in yolo_files.read_text(path).splitlines() if line.strip()]
    numbers = [int(float(words[0])) for words in lines if len(words) != _BOX]
  except (ValueError, OverflowError, errors.UserError):
    return None, 0
  return numbers, sum(len(words) == _BOX for words in lines)


def recognize(request: Request) -> Found | None:
  """Returns what YOLO's polygons hold; None: there is no data.yaml or folder of labels.

  Raises:
    UserError: images or labels are not found, labels hold boxes, or a class is not named.
  """
  layout = yolo_files.layout(request.annotations, request.images)
  if layout is None:
    return None
  seen = _Seen()
  for split, images in layout.splits.items():
    folder, names = yolo_files.images_of(images, layout.root)
    errors.require(bool(names), f'{split or "images"}: {images} holds no image')
    seen.look(split, (yolo_files.label_of(folder, name) for name in names), images)
  total = sum(seen.uses.values())
  if seen.boxes and not total:
    raise errors.UserError(
        f'the labels of {request.annotations or request.images} are {seen.boxes} boxes (5 numbers '
        'a line) and no polygon; boxes are not masks: export the annotations as segmentation')
  if seen.boxes:
    seen.said.append(f'{seen.boxes} of {total + seen.boxes} lines are boxes, which are not masks; '
                     'their images are refused')
  classes, said = _classes(request, layout, seen)
  data_set = DataSet('custom', classes, ignored=request.ignored)
  make = {
      split: functools.partial(YoloPolygons, images, layout.root, layout.names)
      for split, images in layout.splits.items()}
  return Found('YOLO polygons', 'instance', data_set, make, (*layout.said, *seen.said, *said))


def _classes(request: Request, layout: yolo_files.Layout, seen: _Seen) -> tuple[tuple, list[str]]:
  """Returns the classes and what is to be said of them."""
  if request.task not in ('', 'instance') or request.binary:
    raise errors.UserError(
        'YOLO polygons are annotated for instance segmentation; leave out --task and --binary')
  if not layout.names and not request.classes:
    raise errors.UserError(
        f'nothing names the classes of {request.annotations or request.images}; give data.yaml by '
        '--annotations, or their names in order by --classes')
  names = yolo_files.read_names(layout.names) if layout.names else {
      c.id: c.name for c in request.classes}
  unknown = sorted(set(seen.uses) - set(names))
  if unknown:
    number = unknown[0]
    raise errors.UserError(
        f'{seen.where[number]} has the class {number}, but {layout.names or "--classes"} names '
        f'{len(names)} classes, {min(names)} to {max(names)}; correct either')
  categories = [
      coco_classes.Category(number, name, True, None, seen.uses[number], False)
      for number, name in names.items()]
  where = layout.names or '--classes'
  classes, said = coco_classes.classes_of(categories, request, where)
  return classes, [*said, *coco_classes.not_ignored(request, names.values(), where)]


