"""Restores `task.init_checkpoint` into a model and says what was and was not restored."""

import dataclasses
import re

import tf_keras

from tf_maskformer import errors
from tf_maskformer.configs.task import Segmentation
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.conversion import sources

MODULES = ('backbone', 'pixel_decoder', 'predictor')
_PREDICTOR = 'sem_seg_head.predictor.'
_LISTED = 40  # names in an error


@dataclasses.dataclass
class Report:
  """What a restore did, by official name."""
  path: str
  kind: str
  restored: list[str]
  missing: list[str]  # of the model, not in the file or not wanted: keep their initial values
  ignored: list[str]  # in the file, of no use here
  reshaped: list[str]  # of the restored: put together from several, or of another type in the file
  new_classes: list[str]  # of the missing: the file has them for another number of classes

  def __str__(self) -> str:
    lines = [f'init_checkpoint: {self.path} ({self.kind}): {len(self.restored)} tensors restored, '
             f'{len(self.missing)} kept their initial values, {len(self.ignored)} in the file not used']
    for title, rows in (('initial values', self.missing), ('not used', self.ignored), ('reshaped', self.reshaped)):
      if rows:
        more = f' and {len(rows) - 4} more' if len(rows) > 4 else ''
        lines.append(f'  {title}: {", ".join(rows[:4])}{more}')
    if self.new_classes:
      lines.append(f'  another number of classes: {", ".join(self.new_classes)} start anew')
    return '\n'.join(lines)


def _module(name: str) -> str:
  """Returns the module that an official name belongs to."""
  return name.removeprefix('sem_seg_head.').split('.')[0]


def wanted_modules(text: str) -> tuple[str, ...]:
  """Parses `init_checkpoint_modules`.

  Raises:
    UserError: a name is neither 'all' nor a module.
  """
  parts = [p.strip() for p in text.split(',')]
  if parts == ['all']:
    return MODULES
  for part in parts:
    if part not in MODULES:
      raise errors.unknown('task.init_checkpoint_modules', part, ('all',) + MODULES)
  return tuple(parts)


def restore(model: tf_keras.Model, path: str, modules: tuple[str, ...], new_classes: bool = False) -> Report:
  """Assigns the arrays of a checkpoint to the model's variables; all of them or, on an error, none.

  Args:
    model: the model.
    path: see `sources.read`.
    modules: parts of the model to restore.
    new_classes: where the file has another number of classes, the tensors with a row for each class keep their
      initial values; otherwise that is an error like any other shape.

  Raises:
    UserError: the file cannot be read, shapes differ, or a wanted module is not or only partly in the file.
  """
  source = sources.read(path)
  everything = names.entries(model)
  entries = {n: e for n, e in everything.items() if _module(n) in modules}
  given = {n: a for n, a in source.arrays.items() if n in entries}
  anew = [n for n in _class_tensors(entries) & set(given)
          if new_classes and _differs_in_rows(given[n].shape, entries[n].official_shape)]
  for name in anew:
    del given[name]
  wrong = [f'{n} is {_size(a.shape)} in the file, {_size(entries[n].official_shape)} in the model'
           for n, a in given.items() if tuple(a.shape) != entries[n].official_shape]
  if wrong:
    raise UserError(f'init_checkpoint: {path} does not fit the model ({len(wrong)} shapes differ: '
                    f'{listed(wrong, "; ")}); take the matching experiment or '
                    'restore fewer parts with task.init_checkpoint_modules')
  missing = sorted(n for n in set(entries) - set(given) - set(anew)
                   if not any(re.fullmatch(pattern, n) for pattern in source.lacks))
  if missing:
    raise UserError(f'init_checkpoint: {path} lacks {len(missing)} of the {len(entries)} tensors of '
                    f'{", ".join(modules)} ({listed(missing)}); restore fewer parts with '
                    'task.init_checkpoint_modules or take the matching experiment')
  unused = sorted(n for n in source.arrays if n not in entries)
  unknown = [n for n in unused if _module(n) in modules]
  if unknown:
    raise UserError(f'init_checkpoint: {path} holds {len(unknown)} tensors of {", ".join(modules)} that the model '
                    f'has no place for ({listed(unknown)}); take the matching experiment')
  for name, array in given.items():
    entries[name].assign_official(array)
  return Report(
      path, source.kind, sorted(given), sorted(set(everything) - set(given)), unused + source.ignored,
      [n for n in source.reshaped if n in given], sorted(anew))


def listed(rows: list[str], separator: str = ', ') -> str:
  """Returns rows as text; of very many, the first."""
  more = f'{separator}and {len(rows) - _LISTED} more' if len(rows) > _LISTED else ''
  return separator.join(rows[:_LISTED]) + more


def _size(shape: tuple[int, ...]) -> str:
  return 'x'.join(map(str, shape))


def _class_tensors(entries: dict[str, names.Entry]) -> set[str]:
  """Returns the names of the tensors with a row for each class."""
  parts = ['class_embed.weight', 'class_embed.bias', 'weight', 'bias']  # mask classification; PerPixelBaseline
  if _PREDICTOR + parts[0] not in entries:
    parts.append('query_embed.weight')  # PerPixelBaseline+: a query for each class
  return {_PREDICTOR + part for part in parts}


def _differs_in_rows(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
  return shape[0] != wanted[0] and shape[1:] == wanted[1:]


def initialize(model: tf_keras.Model, config: Segmentation) -> Report | None:
  """Restores what the task's configuration asks for and prints the report; None where it asks for nothing."""
  if not config.init_checkpoint:
    backbone = config.model.backbone
    if backbone.type == 'resnet' and backbone.resnet.norm == 'frozen':
      print('warning: a frozen batch norm without pretrained weights does not train well; give '
            'task.init_checkpoint (RESNET_CKPT) or set task.model.backbone.resnet.norm=group', flush=True)
    return None
  report = restore(
      model, config.init_checkpoint, wanted_modules(config.init_checkpoint_modules), new_classes=True)
  print(report, flush=True)
  backbone = config.model.backbone
  if report.kind == sources.KERAS and backbone.type == 'resnet' and not backbone.resnet.stride_in_1x1:
    print('warning: in ResNets of Keras Applications a stride sits on the first 1x1 convolution; set '
          'task.model.backbone.resnet.stride_in_1x1=True, else the weights meet strides that they do not know',
          flush=True)
  return report
