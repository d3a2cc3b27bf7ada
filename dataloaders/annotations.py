"""COCO's annotation files: the JSON of instances and the JSON of panoptic segments.

Labelling tools write them with a part of the fields, or with fields that say nothing. What is not
needed may be missing; what cannot be known is refused: one image by name, or the file. What is
wrong with one image makes that image unusable, and the others can be used.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import coco_categories
from tf_maskformer.dataloaders import coco_json
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders import json_values
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.coco_json import Row
from tf_maskformer.dataloaders.images import UnusableImage

_MAX_COLOR_ID = 2**24 - 1  # of a panoptic segment: red, green and blue
_LARGEST_PLACEHOLDER = 1  # pixels
INSTANCE_FORM = "COCO's instance form", 'give instances_*.json, not panoptic_*.json'
PANOPTIC_FORM = "COCO's panoptic form", 'give panoptic_*.json, not instances_*.json'


def read_instances(path: str, data_set: str) -> list[Row]:
  """Reads an instances JSON.

  Args:
    path: of the file, local or remote.
    data_set: see `catalog.get`.

  Returns:
    One dict per image, sorted by id: id, file_name, height and width (None where the JSON does not
    state them), 'instances', dicts of id, category_id (the data set's), iscrowd, area (None where
    the JSON states none that can be used) and segmentation (None where missing), 'fault', why the
    image cannot be used, or '', and 'remarks', what is odd about its annotations. Images that have
    annotations but are not in the JSON have a row without 'instances'.

  Raises:
    UserError: the file is missing or is not JSON, holds no instances, or boxes alone, has two
      images with one id, or uses categories that the data set does not have or names otherwise.
  """
  content = coco_json.load(path, 'instances')
  require_instances(content, path)
  rows = coco_json.image_rows(content['images'], path)
  for row in rows.values():
    row['instances'] = []
  unknown: dict[str, Row] = {}
  ids: dict[int, Row] = {}
  for position, annotation in enumerate(content['annotations']):
    row = coco_json.row_of(annotation, rows, unknown)
    if 'instances' in row and not _is_repeated(annotation, ids, row['notes']):
      row['instances'].append(_instance(annotation, position, row['notes']))
  _use_own_categories(rows.values(), content, data_set, path)
  _forget_placeholders(rows.values())
  return coco_json.finished(rows, unknown)


def require_instances(content: Any, path: str) -> None:
  """Raises UserError where a JSON does not hold instances with masks."""
  coco_json.require_form(content, ('image_id', 'category_id'), path, INSTANCE_FORM)
  annotations = [row for row in content['annotations'] if isinstance(row, dict)]
  with_mask = [row for row in annotations if instance_masks.has_outline(row.get('segmentation'))]
  if annotations and not with_mask:
    num_boxes = sum('bbox' in row for row in annotations)
    raise errors.UserError(
        f'annotations {path} have no masks: none of {len(annotations)} annotations has polygons or '
        f"run lengths in 'segmentation', {num_boxes} have a box; masks are needed, so export the "
        'annotations as instance segmentation')


def _is_repeated(annotation: Row, ids: dict[int, Row], notes: Counter[str]) -> bool:
  """Whether an annotation is there before, all of it; notes where its id alone is."""
  annotation_id = json_values.as_whole(annotation.get('id'))
  if not json_values.is_whole(annotation_id, -coco_json.MAX_ID, coco_json.MAX_ID):
    return False
  other = ids.setdefault(annotation_id, annotation)
  if other is annotation:
    return False
  if other == annotation:
    notes['{n} annotations are in the JSON twice and are taken once'] += 1
    return True
  notes['{n} instances have the id of another annotation'] += 1
  return False


def _instance(annotation: Row, position: int, notes: Counter[str]) -> Row:
  """Returns what is used of an annotation; notes what is made up."""
  annotation_id = json_values.as_whole(annotation.get('id'))
  if not json_values.is_whole(annotation_id, -coco_json.MAX_ID, coco_json.MAX_ID):
    annotation_id = position + 1
    notes['{n} instances have no whole number as id; it is their position in the JSON'] += 1
  is_crowd = annotation.get('iscrowd')
  if is_crowd is None:
    is_crowd = 0
    notes['{n} instances without iscrowd; it is taken as 0'] += 1
  return {
      'id': annotation_id,
      'category_id': json_values.as_whole(annotation.get('category_id')),
      'iscrowd': json_values.as_whole(is_crowd),
      'area': _usable_area(annotation.get('area')),
      'segmentation': annotation.get('segmentation'),
  }


def _usable_area(area: Any) -> float | None:
  """Returns a stated area, None of what is not one: nothing, NaN, 0 and less, text, too large."""
  return area if json_values.is_number(area, 0, schema.MAX_AREA) and area > 0 else None


def _forget_placeholders(rows: Iterable[Row]) -> None:
  """Takes areas as not stated where the file has one value for all, or none above 1 pixel."""
  instances = [instance for row in rows for instance in row['instances']]
  stated = [instance['area'] for instance in instances if instance['area'] is not None]
  is_one_value = len(stated) > 1 and len(set(stated)) == 1
  if is_one_value or (stated and max(stated) <= _LARGEST_PLACEHOLDER):
    for instance in instances:
      instance['area'] = None


def _use_own_categories(rows: Iterable[Row], content: Row, data_set: str, path: str) -> None:
  """Puts the data set's ids in place of the JSON's; leaves out what the data set ignores.

  A JSON that declares no category is taken by its ids.
  """
  if content.get('categories'):
    names = coco_categories.declared(content, path, INSTANCE_FORM)
  else:
    errors.warn(f'annotations {path} have no categories, so their names are not compared with '
                f'those of data set {data_set}; their ids are taken as they are')
    names = {number: '' for row in rows for number in _whole_categories(row['instances'])}
  used = {number for row in rows for number in _whole_categories(row['instances'])}
  own_id = coco_categories.resolve(names, used & set(names), data_set, path)
  known = catalog.get(data_set).contiguous_ids
  for row in rows:
    _use_own_category(row, own_id, known, row['instances'])
    kept = [instance for instance in row['instances'] if instance['category_id'] is not None]
    num_ignored = len(row['instances']) - len(kept)
    if num_ignored:
      row['notes']['{n} instances of ignored categories are left out'] += num_ignored
    row['instances'] = kept


def _whole_categories(annotated: Any) -> list[int]:
  """Returns the category ids of instances or segments that are whole numbers."""
  return [one['category_id'] for one in annotated if type(one['category_id']) is int]


def _use_own_category(row: Row, own_id: Mapping[int, int | None], known: Mapping[int, int],
                      annotated: list[Row]) -> None:
  """Puts the data set's ids in place of the JSON's.

  What the JSON does not declare is taken by its id where the data set has it, and else the fault of
  the image.

  Args:
    row: of the image.
    own_id: of the data set by that of the JSON.
    known: category ids of the data set.
    annotated: the image's instances or segments.
  """
  for one in annotated:
    category_id = one['category_id']
    if type(category_id) is int and category_id in own_id:
      one['category_id'] = own_id[category_id]
    elif _is_category(category_id, known):
      row['notes']['{n} annotations of a category that the JSON does not declare'] += 1
    else:
      row['fault'] = row['fault'] or (
          f'{row["file_name"]}: an annotation has the category_id {errors.quoted(category_id)}, '
          'which is not among the categories of the JSON')


def settle_crowds(rows: list[Row], path: str, as_instances: bool) -> None:
  """Reads crowds as instances where that is asked for; refuses a file of crowds alone.

  Args:
    rows: of `read_instances`; their instances are changed.
    path: of the JSON, for the message.
    as_instances: whether what is marked as a crowd is an instance like any other.

  Raises:
    UserError: every instance is marked as a crowd, and they are not to be read as instances.
  """
  total = sum(len(row.get('instances', [])) for row in rows)
  num_crowds = 0
  for row in rows:
    crowds = [one for one in row.get('instances', []) if one['iscrowd'] == 1]
    num_crowds += len(crowds)
    if as_instances and crowds:
      row['remarks'].append(f'{len(crowds)} crowds are read as instances')
      for instance in crowds:
        instance['iscrowd'] = 0
  if total and num_crowds == total and not as_instances:
    raise crowds_alone(path, total)


def crowds_alone(path: str, total: int) -> errors.UserError:
  """Returns the error for a file in which every one of `total` instances is marked as a crowd."""
  return errors.UserError(
      f'annotations {path}: all {total} instances are marked as crowds (iscrowd 1), which are not '
      'trained on; CVAT marks every mask so that was not drawn as a polygon; give '
      '--crowds_are_instances to read them as instances')


def read_panoptic(path: str, data_set: str) -> list[Row]:
  """Reads a panoptic JSON.

  Args:
    path: of the file, local or remote.
    data_set: see `catalog.get`.

  Returns:
    One dict per annotated image, sorted by id: id, file_name, height and width (None where the JSON
    does not state them), 'png', the file name of its PNG, 'segments_info' (dicts of id,
    category_id (the data set's; None: ignored), iscrowd and area, None where the JSON states none
    that can be used), 'fault', why the image cannot be used, or '', and 'remarks'.

  Raises:
    UserError: the file is missing or is not JSON, is not panoptic, has two images with one id, or
      uses categories that the data set does not have or names otherwise.
  """
  content = coco_json.load(path, 'panoptic')
  coco_json.require_form(
      content, ('image_id', 'file_name', 'segments_info'), path, PANOPTIC_FORM)
  names = coco_categories.declared(content, path, PANOPTIC_FORM)
  images = coco_json.image_rows(content['images'], path)
  annotated: dict[str, Row] = {}
  unknown: dict[str, Row] = {}
  for annotation in content['annotations']:
    row = coco_json.row_of(annotation, images, unknown)
    if 'height' not in row:
      continue
    if 'png' in row:
      row['fault'] = row['fault'] or 'has two annotations in the JSON'
      continue
    row['png'] = annotation.get('file_name')
    row['segments_info'] = _segments(annotation.get('segments_info'), row)
    row['fault'] = row['fault'] or coco_json.fault_of_name(row['png'], 'the PNG')
    annotated[coco_json.key_of(row['id'])] = row
  _use_own_segment_categories(annotated.values(), names, data_set, path)
  return coco_json.finished(annotated, unknown)


def _segments(infos: Any, row: Row) -> list[Row]:
  """Returns what is used of an image's segments; notes in the row where they are none."""
  if not isinstance(infos, list) or not all(isinstance(info, dict) for info in infos):
    row['fault'] = row['fault'] or (
        f'{row["file_name"]} has segments_info in the JSON that are not a list of objects')
    return []
  return [
      {
          'id': json_values.as_whole(info.get('id')),
          'category_id': json_values.as_whole(info.get('category_id')),
          'iscrowd': 0 if info.get('iscrowd') is None else json_values.as_whole(info['iscrowd']),
          'area': _usable_area(info.get('area')),
      }
      for info in infos]


def _use_own_segment_categories(rows: Iterable[Row], names: dict[int, str], data_set: str, path: str
                                ) -> None:
  """Puts the data set's ids in place of the JSON's; what is not declared is its image's fault."""
  used = {number for row in rows for number in _whole_categories(row['segments_info'])}
  own_id = coco_categories.resolve(names, used & set(names), data_set, path)
  known = catalog.get(data_set).contiguous_ids
  for row in rows:
    _use_own_category(row, own_id, known, row['segments_info'])


def require_usable(row: Row) -> None:
  """Raises UnusableImage where the JSON contradicts itself about the image of a row."""
  if row.get('fault'):
    raise UnusableImage(row['fault'])


def check_instances(instances: list[Row], known: Mapping[int, int], where: str) -> None:
  """Checks what an instances JSON says of an image's instances, apart from their masks.

  Args:
    instances: of `read_instances`.
    known: category ids of the data set.
    where: for messages.

  Raises:
    UnusableImage: a value is missing or out of range, or an instance has a box alone.
  """
  for instance in instances:
    holds = {
        'id': json_values.is_whole(instance['id'], -coco_json.MAX_ID, coco_json.MAX_ID),
        'category_id': _is_category(instance['category_id'], known),
        'iscrowd': _is_flag(instance['iscrowd']),
    }
    _require_all(holds, instance, f'{where}: an instance')
  without = [one['id'] for one in instances if instance_masks.is_missing(one['segmentation'])]
  if without:
    shown = ', '.join(map(str, without[:5]))
    raise UnusableImage(
        f'{where}: {len(without)} of {len(instances)} instances have no mask (ids {shown}); every '
        'object needs a polygon or run lengths, a box alone is not enough')


def check_segments(infos: list[Row], known: Mapping[int, int], file_name: str) -> None:
  """Checks what a panoptic JSON says of an image's segments.

  Args:
    infos: 'segments_info' of `read_panoptic`.
    known: category ids of the data set.
    file_name: for messages.

  Raises:
    UnusableImage: there are too many, or two with one id, or a value is out of range.
  """
  if len(infos) > schema.MAX_SEGMENTS:
    raise UnusableImage(f'{file_name} has more than {schema.MAX_SEGMENTS} segments')
  for info in infos:
    holds = {
        'id': json_values.is_whole(info['id'], 1, _MAX_COLOR_ID),
        'iscrowd': _is_flag(info['iscrowd']),
        'category_id': info['category_id'] is None or _is_category(info['category_id'], known),
    }
    _require_all(holds, info, f'{file_name}: a segment')
  if len({info['id'] for info in infos}) != len(infos):
    raise UnusableImage(f'{file_name} has two segments with one id in the JSON')


def _is_category(value: Any, known: Mapping[int, int]) -> bool:
  return type(value) is int and value in known


def _is_flag(value: Any) -> bool:
  return type(value) in (int, bool) and value in (0, 1)


def _require_all(holds: dict[str, bool], row: Row, what: str) -> None:
  for key, is_right in holds.items():
    if not is_right:
      raise UnusableImage(f'{what} has the {key} {errors.quoted(row.get(key))} in the JSON')
