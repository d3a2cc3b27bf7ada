"""Fills a model's variables from a checkpoint and says what was and was not restored."""

import dataclasses
import re

import tf_keras

from tf_maskformer import errors
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.conversion import rows
from tf_maskformer.modeling.conversion import sources

_NAMES_IN_ERROR = 40
_NAMES_IN_REPORT = 4


@dataclasses.dataclass
class Report:
  """What a restore did, by official name.

  Attributes:
    path: of the checkpoint.
    kind: the format that was recognized.
    restored: tensors that were assigned, but for those in `partial`.
    partial: tensors of which some rows were assigned; the others keep their initial values.
    missing: tensors of the model that the file does not have or that were not wanted; they keep
      their initial values.
    ignored: names in the file that the model does not use.
    reshaped: those that were assigned and put together from several, or had another type.
    new_classes: those of `missing` with a row per class that `rows.Rules.classes` left out.
    remarks: on rows of classes and queries, a line each.
    training_state: names in the file of what a training keeps (optimizer, counters).
  """
  path: str
  kind: str
  restored: list[str]
  missing: list[str]
  ignored: list[str]
  reshaped: list[str]
  new_classes: list[str]
  partial: list[str] = dataclasses.field(default_factory=list)
  remarks: list[str] = dataclasses.field(default_factory=list)
  training_state: list[str] = dataclasses.field(default_factory=list)

  def __str__(self) -> str:
    partial = f'{len(self.partial)} in part, ' if self.partial else ''
    lines = [
        f'checkpoint {self.path} ({self.kind}): {len(self.restored)} tensors restored, {partial}'
        f'{len(self.missing)} kept their initial values, {len(self.ignored)} in the file not used']
    listings = {
        'in part': self.partial, 'initial values': self.missing, 'not used': self.ignored,
        'reshaped': self.reshaped}
    for title, tensors in listings.items():
      if tensors:
        lines.append(f'  {title}: {_listed(tensors, limit=_NAMES_IN_REPORT)}')
    lines += [f'  {line}' for line in self.remarks]
    return '\n'.join(map(errors.one_line, lines))


def wanted_parts(text: str, model: tf_keras.Model) -> tuple[str, ...]:
  """Returns the parts of a model that a value of `task.init_checkpoint_modules` names.

  Args:
    text: 'all', or names of parts with commas between.
    model: says the names of its `parts`.

  Raises:
    UserError: a name is neither 'all' nor a part.
  """
  wanted = [part.strip() for part in text.split(',')]
  if wanted == ['all']:
    return model.parts
  for part in wanted:
    if part not in model.parts:
      raise errors.unknown('task.init_checkpoint_modules', part, ('all', *model.parts))
  return tuple(wanted)


def restore(
    model: tf_keras.Model, path: str, parts: tuple[str, ...] | None = None,
    rules: rows.Rules | None = None, allow_nonfinite: bool = False) -> Report:
  """Assigns the arrays of a checkpoint to the model's variables; all of them or, on an error, none.

  Args:
    model: the model.
    path: see `sources.read`.
    parts: names of the model's parts to restore; None: all of them.
    rules: what is done where the file has other classes or another number of queries; None: it is
      an error like any other shape.
    allow_nonfinite: weights may be NaN or infinite.

  Raises:
    UserError: the file cannot be read or has weights that are not finite, shapes differ, or a
      wanted part is not or only partly in the file.
  """
  source = sources.read(path, allow_nonfinite)
  parts = model.parts if parts is None else parts
  every_entry = names.entries(model)
  entries = {name: e for name, e in every_entry.items() if _part(name) in parts}
  arrays = {name: array for name, array in source.arrays.items() if name in entries}
  fitted = rows.fit(path, model, arrays, entries, rules or rows.Rules())
  arrays = fitted.arrays

  _check_shapes(path, arrays, entries, _options(model, arrays, entries) if rules else '')
  _check_complete(path, set(entries) - set(arrays) - fitted.new, source, len(entries), parts)
  is_training = source.kind == sources.TENSORFLOW
  unused = sorted(name for name in source.arrays if name not in entries)
  _check_all_used(path, [name for name in unused if _part(name) in parts], parts)

  for name, array in arrays.items():
    entries[name].assign_official(array)
  return Report(
      path=path,
      kind=source.kind,
      restored=sorted(set(arrays) - fitted.partial),
      partial=sorted(fitted.partial),
      missing=sorted(set(every_entry) - set(arrays)),
      ignored=unused + ([] if is_training else source.ignored),
      training_state=source.ignored if is_training else [],
      reshaped=[name for name in source.reshaped if name in arrays],
      new_classes=sorted(fitted.new),
      remarks=fitted.remarks)


def _part(name: str) -> str:
  """Returns the part of the model that an official name belongs to."""
  return name.removeprefix('sem_seg_head.').split('.')[0]


def _options(model: tf_keras.Model, arrays: dict, entries: dict[str, names.Entry]) -> str:
  """Returns what a message says of the options by which rows that differ are taken."""
  differ = {n for n, array in arrays.items() if tuple(array.shape) != entries[n].official_shape}
  advice = ''
  if differ & set(model.query_tensors):
    advice += "; for more queries than the file has set task.init_queries='extend'"
  if differ & set(model.class_tensors):
    advice += "; for other classes set task.init_classes='by_name' or 'new'"
  return advice


def _check_shapes(
    path: str, arrays: dict, entries: dict[str, names.Entry], advice: str) -> None:
  """Raises UserError where a shape differs; `advice` ends its message."""
  wrong = []
  for name, array in arrays.items():
    wanted = entries[name].official_shape
    if tuple(array.shape) != wanted:
      wrong.append(f'{name} is {_size(array.shape)} in the file, {_size(wanted)} in the model')
  if wrong:
    raise UserError(
        f'checkpoint {path} does not fit the model ({len(wrong)} shapes differ: '
        f'{_listed(wrong, "; ", limit=3)}); take the matching experiment or restore fewer parts '
        f'with task.init_checkpoint_modules{advice}')


def _check_complete(
    path: str, unfilled: set[str], source: sources.Source, wanted: int,
    parts: tuple[str, ...]) -> None:
  """Raises UserError where tensors stay unfilled that such a file should have."""
  missing = sorted(
      name for name in unfilled if not any(re.fullmatch(p, name) for p in source.absent))
  if missing:
    raise UserError(
        f'checkpoint {path} does not have {len(missing)} of the {wanted} tensors of '
        f'{", ".join(parts)} ({_listed(missing)}); restore fewer parts with '
        'task.init_checkpoint_modules or take the matching experiment')


def _check_all_used(path: str, unknown: list[str], parts: tuple[str, ...]) -> None:
  if unknown:
    raise UserError(
        f'checkpoint {path} has {len(unknown)} tensors of {", ".join(parts)} that the model has '
        f'no place for ({_listed(unknown)}); take the matching experiment')


def _listed(items: list[str], separator: str = ', ', limit: int = _NAMES_IN_ERROR) -> str:
  """Returns a list as text; of very many, the first."""
  more = f'{separator}and {len(items) - limit} more' if len(items) > limit else ''
  return separator.join(items[:limit]) + more


def _size(shape: tuple[int, ...]) -> str:
  return 'x'.join(map(str, shape))
