"""Names of the classes of a checkpoint, and which of them are those of a model."""

import unicodedata
from collections.abc import Callable, Sequence

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.configs.experiments import settings
from tf_maskformer.modeling.conversion import hugging_face_config

# The names of one class: that for people first, then its aliases.
Names = tuple[str, ...]


def of_data_set(data_set: DataSet) -> tuple[Names, ...]:
  """Returns the names of each class of a data set, in the order of the model's classes."""
  return tuple((c.name, *c.aliases) for c in data_set.classes)


def of_checkpoint(path: str) -> tuple[Names, ...] | None:
  """Returns the names of each class that a checkpoint says it was trained on; None: it does not.

  Args:
    path: of a run's folder or a checkpoint in it (its params.yaml says the data set), of a Hugging
      Face folder or a file in it (`id2label`), or of another checkpoint.

  Raises:
    UserError: what says the names is damaged.
  """
  folder = settings.run_folder(path)
  if folder:
    _, experiment = settings.of_run(folder)
    return of_data_set(catalog.get(experiment.task.data_set))
  config = hugging_face_config.find(path)
  labels = hugging_face_config.labels(config) if config else None
  return tuple((label,) for label in labels) if labels else None


def match(source: Sequence[Names], target: Sequence[Names]) -> dict[int, int]:
  """Returns from the index of a target class to that of the source class of the same name.

  Case, blanks, hyphens and underscores do not count. Names agree if they are equal in full, else by
  an alias or the first of the synonyms ("road, route"), where that fits one class on either side.
  A class has at most one counterpart.

  Args:
    source: the names of each class.
    target: likewise.
  """
  found: dict[int, int] = {}
  for keys_of in (_full_name, _other_names):
    left_source = [i for i in range(len(source)) if i not in found.values()]
    left_target = [i for i in range(len(target)) if i not in found]
    source_of_key = _only_class_of_key(source, left_source, keys_of)
    target_of_key = _only_class_of_key(target, left_target, keys_of)
    for key, i in target_of_key.items():
      other = source_of_key.get(key)
      if other is not None and i not in found and other not in found.values():
        found[i] = other
  return dict(sorted(found.items()))


def _full_name(names: Names) -> set[str]:
  return {_plain(names[0])}


def _other_names(names: Names) -> set[str]:
  """Returns the plain names and the plain first synonym of each."""
  return {_plain(one) for name in names for one in (name, name.split(',')[0])}


def _only_class_of_key(
    classes: Sequence[Names], indices: Sequence[int], keys_of: Callable[[Names], set[str]]
    ) -> dict[str, int]:
  """Returns from a key to the class that has it, where that is only one of `indices`."""
  classes_of_key: dict[str, list[int]] = {}
  for i in indices:
    for key in keys_of(classes[i]):
      classes_of_key.setdefault(key, []).append(i)
  return {key: found[0] for key, found in classes_of_key.items() if len(found) == 1}


def _plain(name: str) -> str:
  """Returns a name without what spellings differ in, blanks inside it, too."""
  return descriptor.plain(unicodedata.normalize('NFKC', name)).replace(' ', '')
