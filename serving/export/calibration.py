"""Int8 for OpenVINO by NNCF: ranges of activations are those that calibration images show."""

import logging
import math
import os
import pathlib

import numpy as np
import openvino

from tf_maskformer import extras
from tf_maskformer.errors import UserError
from tf_maskformer.serving import image_files
from tf_maskformer.serving import inputs
from tf_maskformer.serving.export import fitting
from tf_maskformer.serving.export.road import Road

MOST_IMAGES = 128  # that are looked at, one forward pass each
# Names of operations that stay in float, which follow those of the layers: everything outside of
# the network (resizing, the answer); deformable attention, whose sampling places are fractions of a
# pixel; Mask2Former's decoder, where the signs of masks decide what is attended to; of the others
# the mask embeddings and their product with the mask features.
FLOAT = (
    r'^(?!mask_classification/).*',
    r'.*/deformable_attention(_\d+)?/.*',
    r'.*/masked_decoder/.*',
    r'.*_decoder/mlp/.*',
    r'.*_decoder/MatMul(_\d+)?',
)


def images_in(folder: str | os.PathLike) -> list[pathlib.Path]:
  """Returns the images of a folder and its subfolders; of many, some from all over the list.

  Raises:
    UserError: there are none.
  """
  root = pathlib.Path(folder)
  if not root.is_dir():
    raise UserError(f'--calibration_images {folder} is not a directory; name a folder of images')
  found = sorted(path for path in root.rglob('*')
                 if path.suffix.lower() in image_files.SUFFIXES and path.is_file())
  if not found:
    raise UserError(
        f'--calibration_images {folder} holds no images ({", ".join(image_files.SUFFIXES)})')
  every = math.ceil(len(found) / MOST_IMAGES)
  return found[::every]


def quantize(model: openvino.Model, road: Road, paths: list[pathlib.Path]) -> openvino.Model:
  """Returns the model with 8-bit weights and activations where that does little harm.

  Args:
    model: the complete road.
    road: of the model.
    paths: of images that are like those the model will meet.

  Raises:
    UserError: an image cannot be read.
  """
  nncf = extras.require('nncf', extra='export')  # here: it takes seconds, and only int8 needs it
  nncf.set_log_level(logging.ERROR)  # not the name of every operation that stays in float
  dataset = nncf.Dataset(paths, lambda path: {'image': _read(path, road.input_size)})
  return nncf.quantize(
      model, dataset, subset_size=len(paths), model_type=nncf.ModelType.TRANSFORMER,
      ignored_scope=nncf.IgnoredScope(patterns=list(FLOAT), validate=False))


def _read(path: pathlib.Path, size: tuple[int, int] | None) -> np.ndarray:
  """Returns an image as the model takes it."""
  image = inputs.as_rgb(path)
  return fitting.fit(image, size)[0] if size else image
