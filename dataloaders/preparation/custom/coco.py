"""COCO's JSONs of any classes: of instances, and of panoptic segments, as labelling tools lay them.

One JSON; Roboflow's train, valid and test folders; CVAT's annotations/instances_default.json next
to images; Label Studio's result.json next to images; COCO's own folders.
"""

import functools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import annotations
from tf_maskformer.dataloaders import coco_json
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders import json_values
from tf_maskformer.dataloaders.preparation.coco_instances import CocoInstances
from tf_maskformer.dataloaders.preparation.coco_panoptic import CocoPanoptic
from tf_maskformer.dataloaders.preparation.custom import coco_classes
from tf_maskformer.dataloaders.preparation.custom import coco_layouts
from tf_maskformer.dataloaders.preparation.custom.found import WHOLE
from tf_maskformer.dataloaders.preparation.custom.found import Found
from tf_maskformer.dataloaders.preparation.custom.found import Request
from tf_maskformer.dataloaders.preparation.source import Source

INSTANCES = 'COCO instances JSON'
PANOPTIC = 'COCO panoptic JSON'
_SHOWN = 4
_HEAD = 4096  # bytes


class _Lot(NamedTuple):
  """One JSON of a split: its path, form, categories, and folders of the images and PNGs."""
  path: str
  form: str
  categories: list[coco_classes.Category]
  images: str
  pngs: str
  said: tuple[str, ...]


def recognize(request: Request) -> Found | None:
  """Returns what COCO JSONs hold; None: there is none.

  Raises:
    UserError: see `_paths`, `_lot` and `_classes`.
  """
  paths = _paths(request)
  if not paths:
    return None
  if request.binary:
    raise errors.UserError('--binary is for label images; leave it out with a COCO JSON')
  lots = {split: _lot(request, split, path) for split, path in paths.items()}
  first = lots.get('train') or next(iter(lots.values()))
  classes, said = coco_classes.classes_of(first.categories, request, first.path)
  for lot in lots.values():
    coco_classes.require_same(classes, lot.categories, request, first.path, lot.path)
  task = _task(first, request)
  ignored = list(request.ignored)
  if task == 'instance' and first.form == PANOPTIC:
    stuff = [c.name for c in classes if not c.isthing]
    classes = tuple(c for c in classes if c.isthing)
    ignored += stuff
    said.append(f'of panoptic segments, instances alone: {len(stuff)} stuff classes are left out')
    errors.require(bool(classes), f'annotations {first.path} have no thing; give --task semantic')
  for lot in lots.values():
    said += lot.said
  named = [category.name for lot in lots.values() for category in lot.categories]
  said += coco_classes.not_ignored(request, named, request.annotations)
  return Found(
      form=first.form,
      task=task,
      data_set=DataSet('custom', classes, ignored=tuple(ignored)),
      splits={split: _maker(lot, request) for split, lot in lots.items()},
      said=tuple(said))


def _paths(request: Request) -> dict[str, str]:
  """Returns the JSON of each split; empty where there is none.

  Raises:
    UserError: several JSONs may be meant.
  """
  given = request.annotations
  if not tf.io.gfile.isdir(given):
    return {WHOLE: given} if given.lower().endswith('.json') and _form(given) else {}
  forms = {path: _form(path) for path in coco_layouts.jsons_below(given)}
  wanted = {'instance': INSTANCES, 'panoptic': PANOPTIC, 'semantic': PANOPTIC}.get(request.task)
  known = {form for form in forms.values() if form}
  if len(known) > 1 and not wanted:
    shown = ', '.join(errors.quoted(path) for path in [p for p, f in forms.items() if f][:_SHOWN])
    raise errors.UserError(
        f'{given} has JSONs of instances and of panoptic segments: {shown}; give --task instance '
        'or --task panoptic, or one of the files by --annotations')
  form = wanted if wanted in known else next(iter(known), None)
  found: dict[str, str] = {}
  for path in [path for path, own in forms.items() if own and own == form]:
    split = coco_layouts.split_of(path[len(given):].strip('/'))
    if split in found:
      raise errors.UserError(
          f'{given} has two JSONs of {split or "one data set"}, {found[split]} and {path}; give '
          'one of them by --annotations')
    found[split] = path
  if WHOLE in found and len(found) > 1:
    others = ', '.join(split for split in found if split)
    raise errors.UserError(
        f'{given} has JSONs of {others}, and {found[WHOLE]}, which names no split; give one of '
        'them by --annotations')
  return found if len(found) != 1 else {WHOLE: next(iter(found.values()))}


def _form(path: str) -> str:
  """Returns the form of a JSON, '' where it is not one of COCO's."""
  if b'"shapes"' in _head(path):  # LabelMe's, of which there are many
    return ''
  try:
    content = coco_json.load(path, 'instances or panoptic')
  except errors.UserError:
    if any(key in _head(path) for key in (b'"images"', b'"annotations"', b'"categories"')):
      raise
    return ''
  if not isinstance(content, dict):
    return ''
  is_coco = all(isinstance(content.get(key), list) for key in ('images', 'annotations'))
  if not is_coco:
    return ''
  rows = [row for row in content['annotations'] if isinstance(row, dict)]
  if any('segments_info' in row for row in rows):
    return PANOPTIC
  if any('category_id' in row for row in rows) or (not rows and content.get('categories')):
    return INSTANCES
  return ''


def _head(path: str) -> bytes:
  """Returns how a file begins."""
  with tf.io.gfile.GFile(path, 'rb') as file:
    return file.read(_HEAD)


def _lot(request: Request, split: str, path: str) -> _Lot:
  """Returns what one JSON holds.

  Raises:
    UserError: it has no masks, its categories cannot be used, or images or PNGs are not found.
  """
  form = _form(path)
  content = coco_json.load(path, 'instances or panoptic')
  is_panoptic = form == PANOPTIC
  kind = annotations.PANOPTIC_FORM if is_panoptic else annotations.INSTANCE_FORM
  categories = coco_classes.read(content, path, kind)
  if not is_panoptic:
    annotations.require_instances(content, path)
  elif not any(category.isthing is not None for category in categories) and not request.classes:
    raise errors.UserError(
        f'annotations {path} do not say which categories are things ("isthing"); add it, or give '
        'the classes with isthing by --classes FILE.yaml')
  names: list[Any] = [
      row.get('file_name') for row in content['images'] if isinstance(row, dict)]
  usable = [name for name in names if not coco_json.fault_of_name(name, '')]
  if not usable:
    raise errors.UserError(
        f'none of {len(names)} images of {path} has a file name; add "file_name" to the images')
  given = request.images if request.images != path else ''
  images = coco_layouts.images_folder(given, path, split, usable)
  pngs = coco_layouts.png_folder(path, content, images) if is_panoptic else ''
  said = _said(content, path, images, pngs, request)
  return _Lot(path, form, categories, images, pngs, said)


def _said(content: Mapping[str, Any], path: str, images: str, pngs: str, request: Request
          ) -> tuple[str, ...]:
  """Returns how the annotations of a JSON are taken."""
  rows = [row for row in content['annotations'] if isinstance(row, dict)]
  where = f'{path}: images in {images}' + (f', PNGs in {pngs}' if pngs else '')
  if pngs:
    return (f'{where}; {len(content["images"])} images, {len(rows)} annotated',)
  said = [f'{where}; {len(content["images"])} images, {len(rows)} instances']
  masks = [row.get('segmentation') for row in rows]
  num_boxes = sum(map(instance_masks.is_missing, masks))
  if num_boxes:
    said.append(f'{path}: {num_boxes} of {len(rows)} annotations have no mask; their images are '
                'refused')
  without = sum(row.get('iscrowd') is None for row in rows)
  if without:
    said.append(f'{path}: {without} annotations do not say iscrowd: single instances')
  crowds = sum(json_values.as_whole(row.get('iscrowd')) == 1 for row in rows)
  if crowds and request.crowds_are_instances:
    said.append(f'{path}: {crowds} annotations marked as crowds are read as instances')
  elif crowds == len(rows) and crowds:
    raise annotations.crowds_alone(path, crowds)
  elif crowds:
    said.append(f'{path}: {crowds} of {len(rows)} annotations are crowds, which are not trained '
                'on; CVAT marks every mask so: if they are single objects, give '
                '--crowds_are_instances')
  double = Counter(coco_json.key_of(row.get('image_id')) for row in rows)
  empty = sum(
      coco_json.key_of(row.get('id')) not in double for row in content['images']
      if isinstance(row, dict))
  if empty:
    said.append(f'{path}: {empty} images have no annotation; they are kept, with nothing in them')
  return tuple(said)


def _task(lot: _Lot, request: Request) -> str:
  """Returns what the records are for; raises UserError where the annotations are not enough."""
  if lot.form == PANOPTIC:
    return request.task or 'panoptic'
  if request.task in ('', 'instance'):
    return 'instance'
  raise errors.UserError(
      f'{lot.path} is annotated for instance segmentation and does not say what the pixels of no '
      f'instance are, so --task {request.task} cannot be trained with it; leave --task out')


def _maker(lot: _Lot, request: Request) -> Callable[[str], Source]:
  """Returns what makes the source of a split."""
  if lot.form == PANOPTIC:
    return functools.partial(CocoPanoptic, lot.images, lot.path, lot.pngs)
  return functools.partial(
      CocoInstances, lot.images, lot.path, crowds_are_instances=request.crowds_are_instances)
