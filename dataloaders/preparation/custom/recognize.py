"""Finds out in which form annotations are."""

import collections
import os
from collections.abc import Callable

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.dataloaders.preparation.custom import coco
from tf_maskformer.dataloaders.preparation.custom import instance_ids
from tf_maskformer.dataloaders.preparation.custom import labelme
from tf_maskformer.dataloaders.preparation.custom import labels
from tf_maskformer.dataloaders.preparation.custom import voc
from tf_maskformer.dataloaders.preparation.custom import yolo
from tf_maskformer.dataloaders.preparation.custom.found import Found
from tf_maskformer.dataloaders.preparation.custom.found import Request

_KNOWN = (
    'COCO JSON of instances (also as CVAT, Roboflow and Label Studio export it), COCO panoptic '
    'JSON next to a folder of PNGs, a folder of label images, YOLO polygons with data.yaml, '
    'LabelMe JSONs, Pascal VOC, *_instanceIds.png')
_SHOWN = 4


def forms() -> tuple[Callable[[Request], Found | None], ...]:
  """Returns what recognizes each form; the first that does not return None decides."""
  return (
      coco.recognize, yolo.recognize, labelme.recognize, voc.recognize, instance_ids.recognize,
      labels.recognize)


def recognize(request: Request) -> Found:
  """Returns what a lot of images and annotations is.

  Raises:
    UserError: a path does not exist, the form is not known, or one would have to guess.
  """
  for flag, path in (('--images', request.images), ('--annotations', request.annotations)):
    if path and not tf.io.gfile.exists(path):
      raise errors.UserError(f'{flag} {path} does not exist; give an existing path')
  for recognized in forms():
    found = recognized(request)
    if found is not None:
      return found
  raise errors.UserError(
      f'{request.annotations} {_contents(request.annotations)}; none of the known forms fits: '
      f'{_KNOWN}')


def _contents(path: str) -> str:
  """Returns in a phrase what is at a path."""
  if not tf.io.gfile.isdir(path):
    return 'is a file of another kind'
  endings: collections.Counter[str] = collections.Counter()
  for _, _, names in tf.io.gfile.walk(path):
    endings.update(os.path.splitext(name)[1] or 'no ending' for name in names)
  if not endings:
    return 'is an empty folder'
  shown = [f'{count} {errors.quoted(ending)}' for ending, count in endings.most_common(_SHOWN)]
  return f'holds {", ".join(shown)}'
