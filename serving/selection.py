"""Which segments are wanted: classes by name or id."""

from collections.abc import Sequence

from tf_maskformer import errors
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.configs.datasets.descriptor import plain


def classes(texts: Sequence[str], data_set: DataSet) -> frozenset[int]:
  """Returns the classes, counted from 0, that the values of --classes mean.

  Args:
    texts: a class's name or other name, in any case, or its id in the annotation files; or several
      with commas between them.
    data_set: the classes.

  Raises:
    UserError: a class is unknown, or none is named.
  """
  found: set[int] = set()
  for text in texts:
    number = _class_of(text, data_set)
    if number is not None:
      found.add(number)
      continue
    for part in text.split(','):
      number = _class_of(part, data_set)
      if number is None:
        raise _unknown(part.strip(), data_set)
      found.add(number)
  if not found:
    raise errors.UserError('--classes has no value; give names or ids of classes')
  return frozenset(found)


def _class_of(text: str, data_set: DataSet) -> int | None:
  """Returns the class of a name or an id, None where there is none."""
  number = data_set.class_of_name.get(plain(text))
  if number is None and text.strip().isascii() and text.strip().isdigit():
    number = data_set.contiguous_ids.get(int(text.strip()[:18]))
  return number


def _unknown(name: str, data_set: DataSet) -> errors.UserError:
  if name.isascii() and name.isdigit():
    ids = sorted(data_set.contiguous_ids)
    return errors.UserError(
        f'--classes: no class of {errors.quoted(data_set.name)} has the id {errors.quoted(name)}; '
        f'ids are {ids[0]} to {ids[-1]}')
  return errors.unknown('class', errors.quoted(name), [c.name for c in data_set.classes])
