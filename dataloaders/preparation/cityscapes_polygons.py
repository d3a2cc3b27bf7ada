"""Cityscapes' instances as detectron2 trains on them: the outlines of `*_gtFine_polygons.json`.

They are not the pixels of `*_gtFine_instanceIds.png`: each outline is grown by half a pixel, and
what stands in front of an object cuts it off but leaves no hole in it. Source: detectron2,
data/datasets/cityscapes.py, `_cityscapes_files_to_dict` with polygons from the JSON.
"""

import dataclasses
from typing import Any

import numpy as np
from cityscapesscripts.helpers import labels

from tf_maskformer import errors
from tf_maskformer import json_text
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders import json_values
from tf_maskformer.dataloaders import polygons
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import coco_instances
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.dataloaders.preparation import source
from tf_maskformer.dataloaders.preparation.labeled_folders import LabeledFolders

_GROUP = 'group'  # end of the label of instances that were not told apart
# Pixels. Cityscapes' own tools draw every pixel that an outline touches, which is this much more
# than the outline encloses; the corners are the centers of pixels.
_GROWTH = 0.5
_SEGMENTS_PER_QUARTER = 4  # of the rounded corners of a grown outline
# Far above what the data set holds; growing an outline that crosses itself costs time by the square
# of its corners.
_MIN_CORNERS = 3
_MAX_CORNERS = 4096
_MAX_OBJECTS = 10000
_MAX_SIDE = 2**31 - 1


def _require_shapely() -> None:
  try:
    import shapely.geometry  # noqa: F401
  except ModuleNotFoundError as e:
    raise errors.UserError(
        'the polygons of Cityscapes need the package shapely, which is not installed; '
        'pip install shapely, or give --targets pixels') from e


@dataclasses.dataclass(frozen=True)
class CityscapesPolygons(LabeledFolders):
  """One split to train on; the labels are `*_gtFine_polygons.json`."""

  def rows(self) -> list[dict[str, Any]]:
    """As of LabeledFolders; UserError also where shapely is not installed."""
    _require_shapely()
    return super().rows()

  def convert_image(self, row: dict[str, Any]) -> source.Converted:
    """See `Source.convert_image`. An image that has no instance except groups is not used."""
    image_path = self.image_path(row)
    label_path = self.label_path(row)
    file = image_files.read(image_path)
    height, width, objects = _read(label_path)
    image_files.require_size(file, (height, width), image_path, label_path)
    instances = visible_instances(objects, self.data_set, label_path)
    if all(instance['iscrowd'] for instance in instances):
      raise UnusableImage(source.NOTHING_TO_TRAIN_ON)
    return coco_instances.record_of({**row, 'instances': instances}, file, self.data_set)


def _read(path: str) -> tuple[int, int, list[dict[str, Any]]]:
  """Returns height, width and the objects of a polygon file; raises UnusableImage."""
  try:
    content = json_text.parse(images.load(path))
  except ValueError as e:
    raise UnusableImage(f'{path} {e}') from e
  form = f"{path} is not in the form of Cityscapes' polygons"
  if not isinstance(content, dict):
    raise UnusableImage(f'{form}: it is not an object')
  for side in ('imgHeight', 'imgWidth'):
    if not json_values.is_whole(content.get(side), 1, _MAX_SIDE):
      raise UnusableImage(f'{form}: {side} is {errors.quoted(content.get(side))}')
  objects = content.get('objects')
  if not isinstance(objects, list) or not all(isinstance(item, dict) for item in objects):
    raise UnusableImage(f"{form}: 'objects' is not a list of objects")
  if len(objects) > _MAX_OBJECTS:
    raise UnusableImage(f'{path} has more than {_MAX_OBJECTS} objects')
  return content['imgHeight'], content['imgWidth'], objects


def visible_instances(objects: list[dict[str, Any]], data_set: str, path: str
                      ) -> list[dict[str, Any]]:
  """Returns what is visible of each instance, in COCO's form, the foremost first.

  Args:
    objects: of the polygon file, each in front of those before it.
    data_set: see `catalog.get`, of things alone.
    path: of the file, for messages.

  Returns:
    dicts of id (position in `objects`), category_id (Cityscapes' label id), iscrowd, area (pixels)
    and segmentation (lists x1, y1, x2, y2, ... of exteriors).

  Raises:
    UnusableImage: a label is unknown, or an object has no outline.
  """
  from shapely import geometry

  known = catalog.get(data_set).contiguous_ids
  instances = []
  in_front = geometry.Polygon()
  for position, item in reversed(list(enumerate(objects))):
    if 'deleted' in item:  # whatever its value, as detectron2 has it
      continue
    label, is_group = _label(item, path)
    if label.id < 0:  # license plates
      continue
    outline = _outline(item, f'{path}: object {position}')
    if label.id in known:
      visible = outline.difference(in_front)
      exteriors = _exteriors(visible)
      if exteriors:
        instances.append({
            'id': position,
            'category_id': label.id,
            'iscrowd': int(is_group),
            'area': visible.area,
            'segmentation': exteriors,
        })
    in_front = in_front.union(outline)
  return instances


def _label(item: dict[str, Any], path: str) -> tuple[Any, bool]:
  """Returns Cityscapes' label of an object, and whether it is a group of instances."""
  name = item.get('label')
  if not isinstance(name, str):
    raise UnusableImage(f'{path} has the label {errors.quoted(name)}, which is not a name')
  if name in labels.name2label:
    return labels.name2label[name], False
  single = name.removesuffix(_GROUP)
  if single == name or single not in labels.name2label:
    raise UnusableImage(
        f'{path} has the label {errors.quoted(name)!r}, which Cityscapes does not have')
  return labels.name2label[single], True


def _outline(item: dict[str, Any], name: str):
  """Returns the grown outline of an object as a shapely geometry; raises UnusableImage."""
  from shapely import geometry

  polygon = item.get('polygon')
  if not isinstance(polygon, list) or not all(map(_is_corner, polygon)):
    raise UnusableImage(f'{name} has no outline (a list of pairs of numbers)')
  if not _MIN_CORNERS <= len(polygon) <= _MAX_CORNERS:
    raise UnusableImage(f'{name} has no outline of {_MIN_CORNERS} to {_MAX_CORNERS} corners')
  corners = np.array(polygon, np.float64) + 0.5
  try:
    polygons.require_drawable([corners])
  except UnusableImage as e:
    raise UnusableImage(f'{name} has no outline that can be drawn: {e}') from e
  return geometry.Polygon(corners).buffer(_GROWTH, quad_segs=_SEGMENTS_PER_QUARTER)


def _is_corner(value: Any) -> bool:
  return isinstance(value, list) and len(value) == 2 and all(
      json_values.is_number(c, -schema.MAX_COORDINATE, schema.MAX_COORDINATE) for c in value)


def _exteriors(shape) -> list[list[float]]:
  """Returns the outer rings of a shapely geometry as COCO writes polygons: x1, y1, x2, y2, ...

  Holes are filled, since COCO's polygons have none. Points and lines, which two outlines that just
  touch may leave, enclose nothing.
  """
  parts = [part for part in getattr(shape, 'geoms', [shape]) if part.geom_type == 'Polygon']
  # A ring repeats its first corner at the end.
  rings = [np.asarray(part.exterior.coords)[:-1] for part in parts if not part.is_empty]
  return [ring.ravel().tolist() for ring in rings]
