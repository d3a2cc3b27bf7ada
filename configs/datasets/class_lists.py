"""Classes as a command line names them."""

import dataclasses
import os
from typing import NamedTuple

from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets import descriptor_file
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet

_LARGEST = 2**20  # bytes of a text file
_ENDINGS = ('.yaml', '.yml')
_TEXTS = ('.txt', '.names')
_OTHER_FILES = ('.json', '.csv', '.xml')


class ClassList(NamedTuple):
  """Classes and how label images and annotations name them; see `DataSet`.

  Attributes:
    classes: in order; empty: not given.
    void: values of label images that belong to no class.
    ignored: names of categories that are left out.
    label_form: 'values' or 'colors'.
  """
  classes: tuple[Class, ...] = ()
  void: tuple[int, ...] = ()
  ignored: tuple[str, ...] = ()
  label_form: str = 'values'


def read(text: str) -> ClassList:
  """Returns the classes of a flag.

  Args:
    text: names separated by commas; the path of a text file with a name per line, of a YAML file
      that describes a data set, or of a folder with one; the name of a built-in data set; or ''.

  Raises:
    UserError: a file cannot be read or is of another kind, or a name is empty or given twice.
  """
  if not text:
    return ClassList()
  if text in catalog.names() or text.endswith(_ENDINGS):
    data_set = catalog.get(text)
    return ClassList(
        _with_labels(data_set), data_set.void_labels, data_set.ignored, data_set.label_form)
  if _is_folder(text):
    return read(os.path.join(text, descriptor_file.NAME))
  errors.require(
      not text.endswith(_OTHER_FILES),
      f'--classes {text} is a file of another kind; give a text file with a name per line, a YAML '
      'file of a data set, or names with commas')
  if '://' in text or os.path.isfile(text):
    from tf_maskformer.configs import override_files  # loads TensorFlow
    lines = override_files.read_text(text, _LARGEST, 'list of classes').splitlines()
    names = [line.strip() for line in lines if line.strip()]
    where = text
  else:
    errors.require(
        '/' not in text and not text.endswith(_TEXTS),
        f'--classes {text} does not exist; give a file, or names with commas')
    names = [name.strip() for name in text.split(',')]
    where = '--classes'
  return ClassList(of_names(names, where))


def _is_folder(path: str) -> bool:
  """Whether a path is that of a folder, local or remote."""
  if '://' not in path:
    return os.path.isdir(path)
  from tensorflow.io import gfile
  return bool(gfile.isdir(path))


def _with_labels(data_set: DataSet) -> tuple[Class, ...]:
  """Returns classes that say their labels themselves where these are not their ids."""
  if data_set.label_rule == 'id':
    return data_set.classes
  label_of = {i: label for label, i in data_set.class_of_label.items()}
  return tuple(
      dataclasses.replace(c, labels=c.labels or (label_of[i],))
      for i, c in enumerate(data_set.classes))


def of_names(names: list[str], where: str) -> tuple[Class, ...]:
  """Returns classes of which only the names are known: all of them things, ids from 0.

  Args:
    names: in order.
    where: for messages.

  Raises:
    UserError: there is none, one is empty, or two are the same.
  """
  errors.require(bool(names), f'{where} names no class')
  seen: dict[str, str] = {}
  for name in names:
    plain = descriptor.plain(name)
    errors.require(plain != '', f'{where} has an empty name')
    errors.require(
        plain not in seen,
        f'{where} names {errors.quoted(name)} and {errors.quoted(seen.get(plain, ""))}, which are '
        'the same; give each class one name')
    seen[plain] = name
  return tuple(Class(i, name, True, descriptor.color(i, name)) for i, name in enumerate(names))
