"""Int8 for OpenVINO by NNCF: ranges of activations are those that calibration images show."""

import logging
import math
import os
import pathlib
import re
from collections.abc import Callable

import numpy as np
import openvino

from tf_maskformer import extras
from tf_maskformer.errors import UserError
from tf_maskformer.serving import image_files
from tf_maskformer.serving import inputs
from tf_maskformer.serving.export import fitting
from tf_maskformer.serving.export.road import Road

MOST_IMAGES = 128  # that are looked at, one forward pass each
# Names of operations that stay in float, which follow those of the layers: deformable attention,
# whose sampling places are fractions of a pixel, and the transformer decoders with the mask
# embeddings and their product: in Mask2Former the signs of masks decide what is attended to, and
# these layers are few next to the convolutions.
FLOAT = (
    r'/deformable_attention(_\d+)?/',
    r'/(standard|masked|per_pixel)_decoder(_\d+)?/',
)
_NETWORK = 'mask_classification/'


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
  # Its model type TRANSFORMER spoils the convolutions: an error of 0.9 instead of 0.08.
  return nncf.quantize(
      model, dataset, subset_size=len(paths), preset=nncf.QuantizationPreset.PERFORMANCE,
      ignored_scope=nncf.IgnoredScope(names=in_float(model), validate=False))


def in_float(model: openvino.Model) -> list[str]:
  """Returns the names of the operations that stay in float.

  These are `FLOAT` and everything outside of the network: resizing and the answer. Operations into
  which OpenVINO folds a norm have lost their layers' names; of those, what is between two
  convolutions belongs to the network, for neither resizing nor the answer has any.
  """
  operations = model.get_ordered_ops()
  convolutions = [op for op in operations if op.get_type_name() == 'Convolution']
  after = _reached(convolutions, lambda op: [
      target.get_node() for output in op.outputs() for target in output.get_target_inputs()])
  before = _reached(convolutions, lambda op: [
      source.get_source_output().get_node() for source in op.inputs()])
  names = [op.get_friendly_name() for op in operations]
  of_network = {name for name in names if name.startswith(_NETWORK)} | (after & before)
  kept = {name for name in of_network if any(re.search(pattern, name) for pattern in FLOAT)}
  return [name for name in names if name in kept or name not in of_network]


def _reached(starts: list[openvino.Node], next_of: Callable[[openvino.Node], list[openvino.Node]]
             ) -> set[str]:
  """Returns the names of operations that can be reached from some, those included."""
  reached: set[str] = set()
  waiting = list(starts)
  while waiting:
    op = waiting.pop()
    if op.get_friendly_name() not in reached:
      reached.add(op.get_friendly_name())
      waiting.extend(next_of(op))
  return reached


def _read(path: pathlib.Path, size: tuple[int, int] | None) -> np.ndarray:
  """Returns an image as the model takes it."""
  image = inputs.as_rgb(path)
  return fitting.fit(image, size)[0] if size else image
