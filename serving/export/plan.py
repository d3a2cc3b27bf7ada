"""What is exported: the plan of one export, and what each format can do.

Imports no TensorFlow, so that a combination that a format cannot do is answered at once.
"""

import dataclasses
import importlib.util
import re

from tf_maskformer import errors
from tf_maskformer import extras

TASKS = ('panoptic', 'semantic', 'instance', 'raw')
PRECISIONS = ('float32', 'float16', 'bfloat16', 'int8')
LAYOUTS = ('plain', 'serving', 'triton')
DYNAMIC = 'dynamic'
_SIDES = (32, 4096)  # pixels of a fixed input size
# What pip calls the packages of modules that have another name.
_PACKAGES = {'ai_edge_litert': 'ai-edge-litert', 'tensorflow_serving': 'tensorflow-serving-api'}
_SIZE = re.compile(r'([0-9]{1,6})(?:[xX]([0-9]{1,6}))?')


@dataclasses.dataclass(frozen=True)
class Format:
  """What a format can do.

  Attributes:
    title: what people call it.
    module: of `serving.export`, with `write` and `Runtime`.
    precisions: that it can have, the default first.
    takes_any_size: whether one file can take images of any size.
    of_one_size: precisions in which it cannot.
    layouts: folders that it can be written as.
    packages: modules that write and run it, along with TensorFlow.
    has_batch_axis: whether the input has a first axis of images.
    answers_batches: whether that axis may be longer than 1, and answers have it, too.
  """
  title: str
  module: str
  precisions: tuple[str, ...]
  takes_any_size: bool = True
  of_one_size: tuple[str, ...] = ()
  layouts: tuple[str, ...] = ('plain', 'triton')
  packages: tuple[str, ...] = ()
  has_batch_axis: bool = False
  answers_batches: bool = False

  def require_packages(self) -> None:
    """Raises UserError where a package that writes or runs the format is not installed."""
    _require(self.packages)


FORMATS = {
    'saved_model': Format(
        'SavedModel', 'saved_model', ('float32', 'bfloat16'), layouts=LAYOUTS,
        has_batch_axis=True, answers_batches=True),
    'onnx': Format('ONNX', 'onnx_graph', ('float32',),
        packages=('tf2onnx', 'onnx', 'onnxruntime')),
    'openvino': Format(
        'OpenVINO', 'openvino_ir', ('float32', 'float16', 'bfloat16', 'int8'),
        # The runtime would round sizes and places of pixels that the graph computes, too.
        of_one_size=('bfloat16',), packages=('openvino',)),
    'tflite': Format(
        'LiteRT', 'lite', ('float32', 'float16', 'int8'), takes_any_size=False, layouts=('plain',),
        packages=('ai_edge_litert',), has_batch_axis=True),
}


@dataclasses.dataclass(frozen=True)
class Plan:
  """One export.

  Attributes:
    format: a name of `FORMATS`.
    task: what the graph answers, one of `TASKS`; 'raw': logits.
    input_size: (height, width) of the network's input, which every image has to be fitted into;
      None: images of any size, resized inside as in validation.
    precision: of weights and arithmetic, one of `PRECISIONS`.
    layout: one of `LAYOUTS`.
    calibration: folder of images by which the ranges of int8 are chosen; empty: none.
  """
  format: str
  task: str
  input_size: tuple[int, int] | None = None
  precision: str = 'float32'
  layout: str = 'plain'
  calibration: str = ''

  @property
  def capability(self) -> Format:
    """What the format can do."""
    return FORMATS[self.format]

  @property
  def needs_calibration(self) -> bool:
    """Whether images are needed to choose ranges."""
    return self.format == 'openvino' and self.precision == 'int8'

  @property
  def has_warm_up(self) -> bool:
    """Whether a server's first requests are written, too: always for TensorFlow Serving."""
    return self.layout == 'serving' or _is_installed('tensorflow_serving')

  def require_packages(self) -> None:
    """Raises UserError where a package that the export needs is not installed."""
    more = ('nncf',) if self.needs_calibration else ()
    serving = ('tensorflow_serving',) if self.layout == 'serving' else ()
    _require((*self.capability.packages, *more, *serving))

  def check(self) -> None:
    """Checks that the format can do what is planned.

    Raises:
      UserError: it cannot; the message names what it can.
    """
    if self.format not in FORMATS:
      raise errors.unknown('format', self.format, FORMATS)
    can = self.capability
    if self.precision not in can.precisions:
      raise errors.UserError(
          f'--format {self.format} cannot be written in {self.precision}; {can.title} can have '
          f'{_listed(can.precisions)}{_others("precisions", self.precision)}')
    if self.input_size is None and (
        not can.takes_any_size or self.precision in can.of_one_size):
      precision = f' --precision {self.precision}' if can.takes_any_size else ''
      raise errors.UserError(
          f'--format {self.format}{precision} needs a fixed input size: give --input_size '
          'HEIGHTxWIDTH, e.g. --input_size 512x512')
    if self.layout not in can.layouts:
      raise errors.UserError(
          f'--layout {self.layout} does not hold --format {self.format}; {can.title} can have '
          f'{_listed(can.layouts)}{_others("layouts", self.layout)}')
    if self.needs_calibration and not self.calibration:
      raise errors.UserError(
          f'--format {self.format} --precision {self.precision} needs images that the model will '
          'meet; give --calibration_images FOLDER')
    if self.calibration and not self.needs_calibration:
      raise errors.UserError(
          f'--calibration_images has no effect on --format {self.format} --precision '
          f'{self.precision}; leave it out')

  def describe(self) -> str:
    """Returns the plan in a phrase."""
    size = f'{self.input_size[0]}x{self.input_size[1]}' if self.input_size else 'images of any size'
    return f'{self.capability.title}, {self.task}, {self.precision}, {size}'


def _require(modules: tuple[str, ...]) -> None:
  """Raises UserError where a module of the extra is not installed; none is imported."""
  for module in modules:
    if not _is_installed(module):
      package = _PACKAGES.get(module, module)
      raise errors.UserError(f'{package} is not installed; run: {extras.command("export")}')


def _is_installed(module: str) -> bool:
  return importlib.util.find_spec(module) is not None


def parse_size(text: str) -> tuple[int, int] | None:
  """Returns (height, width) of `--input_size`; None for 'dynamic'.

  Args:
    text: 'dynamic', 'HEIGHTxWIDTH', or one number for a square.

  Raises:
    UserError: it is none of these, or a side is out of range.
  """
  if text == DYNAMIC:
    return None
  found = _SIZE.fullmatch(text)
  if not found:
    raise errors.UserError(
        f'--input_size {errors.quoted(repr(text))} is not a size; give HEIGHTxWIDTH in pixels, '
        f'e.g. 512x640, or {DYNAMIC}')
  height = int(found[1])
  width = int(found[2] or found[1])
  low, high = _SIDES
  if not (low <= height <= high and low <= width <= high):
    raise errors.UserError(
        f'--input_size {text} is out of range; each side must be {low} to {high} pixels')
  return height, width


def _others(field: str, value: str) -> str:
  """Returns '; FORMAT, FORMAT can' for the formats that can have a value."""
  able = [name for name, can in FORMATS.items() if value in getattr(can, field)]
  return f'; {value} is possible with {_listed(able)}' if able else ''


def _listed(names: tuple[str, ...] | list[str]) -> str:
  if len(names) < 2:
    return ''.join(names)
  return f'{", ".join(names[:-1])} or {names[-1]}'
