"""Rows of classes and of queries, where a file has other ones than the model that starts from it.

The class head has a row per class and one for no-object; of per-pixel models the last convolution
has a row per class, or there is a query per class. The tables of queries have a row per query.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tf_keras

from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import class_names
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.conversion.class_names import Names

_LISTED = 60  # classes in a line of the report


@dataclasses.dataclass(frozen=True)
class Rules:
  """What is done where rows differ; the defaults take none but the model's own.

  Attributes:
    classes: see `task.init_classes`.
    queries: see `task.init_queries`.
    source: with 'by_name', the names of the file's classes in their order; None: not known.
    target: with 'by_name', those of the model's classes.
  """
  classes: str = 'strict'
  queries: str = 'strict'
  source: Sequence[Names] | None = None
  target: Sequence[Names] = ()


@dataclasses.dataclass
class Fitted:
  """The arrays of a file, made to fit the model's rows.

  Attributes:
    arrays: by official name; each row is the file's or the model's initial one.
    new: names of tensors that keep their initial values.
    partial: names of those of `arrays` that have initial rows.
    remarks: for the report, a line each.
  """
  arrays: dict[str, np.ndarray]
  new: set[str] = dataclasses.field(default_factory=set)
  partial: set[str] = dataclasses.field(default_factory=set)
  remarks: list[str] = dataclasses.field(default_factory=list)


def fit(path: str, model: tf_keras.Model, arrays: Mapping[str, np.ndarray],
        entries: Mapping[str, names.Entry], rules: Rules) -> Fitted:
  """Returns what to assign to a model.

  Tensors whose shapes differ in more than the number of rows are returned as they are.

  Args:
    path: of the file, for messages.
    model: says which tensors have rows of classes and of queries.
    arrays: of the file, by official name; no others than `entries` has.
    entries: of the model's variables that are to be filled.
    rules: what is done.

  Raises:
    UserError: the names of the file's classes are not known or not as many as its rows, or it has
      more queries than the model.
  """
  fitted = Fitted(dict(arrays))
  class_entries = {name: entries[name] for name in model.class_tensors if name in entries}
  query_entries = {name: entries[name] for name in model.query_tensors if name in entries}
  if rules.classes == 'new':
    _leave(class_entries, fitted, 'classes')
  elif rules.classes == 'by_count':
    other = [name for name, e in class_entries.items() if _only_rows_differ(name, e, arrays)]
    _leave(other, fitted, 'another number of classes')
  elif rules.classes == 'by_name':
    _fit_by_name(path, class_entries, fitted, rules)
  if rules.queries == 'extend':
    _extend(path, query_entries, fitted)
  return fitted


def _only_rows_differ(name: str, entry: names.Entry, arrays: Mapping[str, np.ndarray]) -> bool:
  """Whether the file has a tensor that fits the model's in all but the number of its rows."""
  if name not in arrays:
    return False
  given = arrays[name].shape
  wanted = entry.official_shape
  return len(given) == len(wanted) and given[0] != wanted[0] and given[1:] == wanted[1:]


def _leave(tensors: Iterable[str], fitted: Fitted, title: str) -> None:
  """Lets tensors keep their initial values, whatever the file has."""
  fitted.new.update(tensors)
  for name in fitted.new:
    fitted.arrays.pop(name, None)
  if fitted.new:
    fitted.remarks.append(f'{title}: {", ".join(sorted(fitted.new))} keep their initial values')


def _fit_by_name(
    path: str, entries: Mapping[str, names.Entry], fitted: Fitted, rules: Rules) -> None:
  """Takes the rows of the classes that the file has under the same name, and of no-object."""
  present = {name: e for name, e in entries.items()
             if name in fitted.arrays and fitted.arrays[name].ndim == len(e.official_shape)}
  if not present:
    return
  # 1 where no-object has the last row, else 0.
  without_class = next(iter(present.values())).official_shape[0] - len(rules.target)
  _check_count(path, {n: len(fitted.arrays[n]) - without_class for n in present}, rules.source)
  source_of_target = class_names.match(rules.source, rules.target)
  for name, entry in present.items():
    rows = dict(source_of_target)
    if without_class:
      rows[len(rules.target)] = len(rules.source)
    _take(name, entry, rows, fitted)
  fitted.remarks += _said(rules, source_of_target, bool(without_class))


def _check_count(
    path: str, classes_of_tensor: Mapping[str, int], source: Sequence[Names] | None) -> None:
  """Checks that the names of the file's classes are known and are as many as its rows."""
  name, count = next(iter(classes_of_tensor.items()))
  fitting = [n for n in catalog.names() if catalog.get(n).num_classes == count]
  advice = ('name the data set that it was trained on in task.init_data_set (a name or the path of '
            'its YAML file)')
  if fitting:
    advice += f'; {" and ".join(fitting)} {"has" if len(fitting) == 1 else "have"} {count} classes'
  if source is None:
    raise UserError(
        f"task.init_classes is 'by_name', but checkpoint {path} does not say the names of its "
        f'{count} classes; {advice}')
  for name, count in classes_of_tensor.items():
    if count != len(source):
      raise UserError(
          f"task.init_classes is 'by_name', but checkpoint {path} has {count} classes in {name} "
          f'and the names of its classes are {len(source)}; {advice}')


def _take(name: str, entry: names.Entry, rows: Mapping[int, int], fitted: Fitted) -> None:
  """Fills rows of a tensor from the file, from the model's row to the file's."""
  given = fitted.arrays[name]
  if given.shape[1:] != entry.official_shape[1:]:
    return  # an error like that of any other shape
  filled = entry.to_official().copy()
  for row, source_row in rows.items():
    filled[row] = given[source_row]
  fitted.arrays[name] = filled
  if len(rows) < len(filled):
    fitted.partial.add(name)


def _said(rules: Rules, source_of_target: Mapping[int, int], has_no_object: bool) -> list[str]:
  """Returns the lines of the report about classes that were matched by name."""
  every = [errors.quoted(one[0]) for one in rules.target]
  kept = [name for i, name in enumerate(every) if i in source_of_target]
  new = [name for i, name in enumerate(every) if i not in source_of_target]
  no_object = ', and that of no-object' if has_no_object else ''
  unused = len(rules.source) - len(kept)
  lines = [
      f'classes by name: {len(kept)} of {len(every)} keep their rows{no_object}; {unused} of the '
      f"file's {len(rules.source)} are not used"]
  if kept:
    lines.append(f'classes kept: {_listed(kept)}')
  if new:
    lines.append(f'classes new: {_listed(new)}')
  if not kept:
    lines.append('no class of the model has the name of a class of the file; is it the right one, '
                 'and task.init_data_set?')
  return lines


def _listed(rows: Sequence[str]) -> str:
  more = f' and {len(rows) - _LISTED} more' if len(rows) > _LISTED else ''
  return ', '.join(rows[:_LISTED]) + more


def _extend(path: str, entries: Mapping[str, names.Entry], fitted: Fitted) -> None:
  """Takes the file's queries and, after them, initial ones where the model has more."""
  differing = {
      name: e for name, e in entries.items() if _only_rows_differ(name, e, fitted.arrays)}
  if not differing:
    return
  counts = {name: len(fitted.arrays[name]) for name in differing}
  count = max(counts.values())
  wanted = next(iter(differing.values())).official_shape[0]
  if len(differing) < len(entries) or min(counts.values()) < count:
    raise UserError(
        f'checkpoint {path} has another number of queries in {" and ".join(differing)} than in its '
        'other tensors; is it damaged?')
  if count > wanted:
    raise UserError(
        f"task.init_queries is 'extend', but checkpoint {path} has {count} queries and the model "
        f'{wanted}; none is taken away, so set task.model.num_queries={count} or more')
  for name, entry in differing.items():
    _take(name, entry, {i: i for i in range(count)}, fitted)
  fitted.remarks.append(
      f'queries: {count} of {wanted} are those of the file; initial values: {wanted - count}')
