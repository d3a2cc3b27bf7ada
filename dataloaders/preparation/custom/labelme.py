"""LabelMe: a JSON per image, with polygons, rectangles, circles and masks."""

import base64
import binascii
import dataclasses
import functools
import posixpath
from collections import Counter
from typing import Any

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer import json_text
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders import json_values
from tf_maskformer.dataloaders.coco_categories import compact
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import coco_images
from tf_maskformer.dataloaders.preparation import coco_instances
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.dataloaders.preparation import image_index
from tf_maskformer.dataloaders.preparation import source
from tf_maskformer.dataloaders.preparation.custom import coco_classes
from tf_maskformer.dataloaders.preparation.custom import labelme_shapes
from tf_maskformer.dataloaders.preparation.custom.found import WHOLE
from tf_maskformer.dataloaders.preparation.custom.found import Found
from tf_maskformer.dataloaders.preparation.custom.found import Request
from tf_maskformer.dataloaders.preparation.image_files import ImageFile

_MAX_SIDE = 2**31 - 1
_HEAD = 65536  # bytes
_LOOKED_AT = 20  # JSONs, to recognize the form


@dataclasses.dataclass(frozen=True)
class LabelMe(source.Source):
  """A folder of LabelMe's JSONs.

  Attributes:
    annotations: folder, searched with all folders below it.
    images: folder of images; '': that of the JSONs.
    data_set: see `catalog.get`.
  """
  annotations: str
  images: str
  data_set: str

  def rows(self) -> list[dict[str, Any]]:
    """Returns one dict per JSON: id, file_name (of the image, or of a JSON without one), json."""
    rows = []
    for name in jsons(self.annotations):
      stem = posixpath.splitext(name)[0]
      found = _of_stem(self._folder, stem)
      rows.append({'id': stem, 'file_name': found or name, 'json': name})
    return rows

  @property
  def _folder(self) -> str:
    return self.images or self.annotations

  def convert_image(self, row: dict[str, Any]) -> source.Converted:
    """See `Source.convert_image`."""
    path = posixpath.join(self.annotations, row['json'])
    content = read(path)
    file, name = self._image(content, row)
    stated = [json_values.as_whole(content.get(key)) for key in ('imageHeight', 'imageWidth')]
    if all(json_values.is_whole(side, 1, _MAX_SIDE) for side in stated):
      coco_images.require_size(file, (stated[0], stated[1]), f'the image of {path}')
    instances, left_out = labelme_shapes.instances(content['shapes'], file.size, path)
    kept = []
    for instance in instances:
      class_id = self._class_id(instance.pop('label'), path)
      if class_id is None:
        left_out['of ignored classes'] += 1
      else:
        kept.append({**instance, 'category_id': class_id})
    remarks = [f'{count} shapes are left out: {what}' for what, count in left_out.items()]
    file = file._replace(remarks=[*file.remarks, *remarks])
    row = {**row, 'file_name': name, 'instances': kept}
    return coco_instances.record_of(row, file, self.data_set)

  def _class_id(self, label: str, path: str) -> int | None:
    """Returns the id of a label's class, None where it is ignored; raises UnusableImage."""
    data_set = catalog.get(self.data_set)
    if compact(label) in map(compact, data_set.ignored):
      return None
    for c in data_set.classes:
      if compact(label) in map(compact, (c.name, *c.aliases)):
        return c.id
    raise UnusableImage(
        f'{path} has the label {errors.quoted(label)!r}, which the data set does not have')

  def _image(self, content: dict[str, Any], row: dict[str, Any]) -> tuple[ImageFile, str]:
    """Returns the image of a JSON and its name: a file, or what the JSON itself holds."""
    name = _named(self._folder, content, row)
    if name:
      return image_files.read(posixpath.join(self._folder, name)), name
    data = content.get('imageData')
    stated = errors.quoted(content.get('imagePath'))
    if not isinstance(data, str) or not data:
      raise UnusableImage(
          f'{row["json"]}: its image {stated} is not in {self._folder}, nor in the JSON')
    try:
      decoded = base64.b64decode(data, validate=False)
    except (binascii.Error, ValueError) as e:
      raise UnusableImage(f'{row["json"]}: its imageData cannot be read ({e})') from e
    return image_files.of_data(decoded, f'{row["json"]}: its imageData'), row['file_name']

  def annotations_state(self) -> list[int]:
    """See `Source.annotations_state`."""
    return source.folder_state(self.annotations)


def _of_stem(folder: str, stem: str) -> str:
  """Returns the image that has the name of a JSON, '' without one."""
  for suffix in image_index.SUFFIXES:
    for spelling in (suffix, suffix.upper()):
      if image_index.exists(posixpath.join(folder, stem + spelling)):
        return stem + spelling
  return ''


def _named(folder: str, content: dict[str, Any], row: dict[str, Any]) -> str:
  """Returns the image that a JSON names or that has its name, relative to a folder; ''."""
  stated: Any = content.get('imagePath')
  if json_values.is_text(stated) and len(stated) < 1024 and '\0' not in stated:
    turned = stated.replace('\\', '/')
    near = posixpath.normpath(posixpath.join(posixpath.dirname(row['json']), turned))
    if image_index.stays_inside(near) and image_index.exists(posixpath.join(folder, near)):
      return near
    if row['file_name'] != row['json']:
      return row['file_name']
    with_index = _indexed(folder, stated)
    if with_index:
      return with_index
  return row['file_name'] if row['file_name'] != row['json'] else ''


def _indexed(folder: str, stated: str) -> str:
  try:
    found = image_index.find(folder, stated)
  except UnusableImage:
    return ''
  return found if image_index.exists(posixpath.join(folder, found)) else ''


def jsons(folder: str) -> list[str]:
  """Returns the relative paths of the JSONs below a folder, sorted."""
  found = []
  for place, _, names in tf.io.gfile.walk(folder):
    below = place[len(folder):].strip('/')
    found += [posixpath.join(below, name) for name in names
              if name.lower().endswith('.json') and not name.startswith('.')]
  return sorted(found)


def read(path: str) -> dict[str, Any]:
  """Returns the content of a JSON; raises UnusableImage where it is not LabelMe's."""
  try:
    content = json_text.parse(images.load(path), finite=False)
  except ValueError as e:
    raise UnusableImage(f'{path} {e}') from e
  shapes = content.get('shapes') if isinstance(content, dict) else None
  if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
    raise UnusableImage(f"{path} is not LabelMe's: 'shapes' is not a list of objects")
  return content


def recognize(request: Request) -> Found | None:
  """Returns what LabelMe's JSONs hold; None: there is none.

  Raises:
    UserError: no shape can be used, or a class is not named.
  """
  folder = request.annotations
  if not tf.io.gfile.isdir(folder):
    return None
  paths = jsons(folder)
  if not any(_is_labelme(posixpath.join(folder, path)) for path in paths[:_LOOKED_AT]):
    return None
  if request.task not in ('', 'instance') or request.binary:
    raise errors.UserError(
        "LabelMe's shapes are annotated for instance segmentation; leave out --task and --binary")
  uses, left_out, num_empty, num_damaged = _scan(folder, paths)
  errors.require(
      bool(uses), f'no JSON in {folder} has a polygon, rectangle, circle or mask; annotate objects '
      'with one of these')
  categories = [
      coco_classes.Category(number, name, True, None, uses[name], False)
      for number, name in enumerate(sorted(uses), 1)]
  classes, said = coco_classes.classes_of(categories, request, folder)
  own_images = request.images if request.images != folder else ''
  num_images = len(image_index.images_below(own_images or folder))
  said = [
      f'{folder}: {len(paths)} JSONs, {sum(uses.values())} shapes; {num_empty} have no shape: '
      'their images are kept, with nothing in them',
      *([f'{num_images - len(paths)} images have no JSON: left out']
        if num_images > len(paths) else []),
      *([f'{num_damaged} JSONs cannot be read; their images are refused'] if num_damaged else []),
      *(f'{count} shapes are left out: {what}' for what, count in left_out.items()), *said,
      *coco_classes.not_ignored(request, uses, folder)]
  data_set = DataSet('custom', classes, ignored=request.ignored)
  make = functools.partial(LabelMe, folder, own_images)
  return Found("LabelMe's JSONs", 'instance', data_set, {WHOLE: make}, tuple(said))


def _is_labelme(path: str) -> bool:
  with tf.io.gfile.GFile(path, 'rb') as file:
    head = file.read(_HEAD)
  return b'"shapes"' in head


def _scan(folder: str, paths: list[str]) -> tuple[Counter[str], Counter[str], int, int]:
  """Returns shapes by label and what is left out, and how many JSONs are empty and damaged."""
  uses: Counter[str] = Counter()
  left_out: Counter[str] = Counter()
  num_empty = num_damaged = 0
  for name in paths:
    try:
      shapes = read(posixpath.join(folder, name))['shapes']
    except UnusableImage:
      num_damaged += 1
      continue
    num_empty += not shapes
    for shape in shapes:
      why = labelme_shapes.why_left_out(shape)
      if why:
        left_out[why] += 1
      elif isinstance(shape.get('label'), str) and shape['label'].strip():
        uses[shape['label'].strip()] += 1
  return uses, left_out, num_empty, num_damaged
