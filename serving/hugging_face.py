"""From a Hugging Face folder to an experiment and its classes."""

import hashlib
import json

from tf_maskformer.configs import overrides
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.configs.experiments import registry
from tf_maskformer.configs.experiments import table
from tf_maskformer.configs.task import Experiment
from tf_maskformer.errors import one_line
from tf_maskformer.modeling.conversion import hugging_face_config
from tf_maskformer.modeling.conversion.hugging_face_config import HuggingFaceConfig

_TASKS = ('panoptic', 'semantic', 'instance')
# Of names at the same place that must agree for a list to be that of a known data set: some files
# name a few classes by another synonym.
_SAME_NAMES = 0.8
# Where data set and name leave the task open: what the published files are for.
_USUAL_TASK = {('maskformer', 'ade20k'): 'semantic'}


def configure(path: str) -> tuple[str, Experiment]:
  """Returns the experiment of a Hugging Face model, and the name of its nearest registered one.

  Classes that are not those of a known data set are added to the catalog, all of them things.
  Remarks are printed.

  Args:
    path: of its config.json.

  Raises:
    UserError: as `hugging_face_config.read`, or a value is out of its range.
  """
  config = hugging_face_config.read(path)
  data_set = known_data_set(config.labels)
  remarks = list(config.remarks)
  if data_set is None:
    data_set = catalog.add(_data_set_of(config.labels))
    remarks.append(
        f'{path}: the classes of id2label are not those of a known data set; all of them are taken '
        'for things')
  name = _base(config, data_set)
  if not _named_tasks(config):
    remarks.append(
        f'{path}: its name does not tell the task; taken for {table.ROWS[name].task} segmentation, '
        'which task.evaluation changes')
  experiment = registry.get(name)
  experiment.task.data_set = data_set.name
  overrides.apply_values(experiment, config.settings, path)
  for line in remarks:
    print(one_line(line), flush=True)
  return name, experiment


def known_data_set(labels: tuple[str, ...]) -> DataSet | None:
  """Returns the data set whose classes are called so, in this order; None where there is none."""
  wanted = [_plain(label) for label in labels]
  for name in catalog.names():
    data_set = catalog.get(name)
    if data_set.num_classes != len(labels):
      continue
    same = sum(_plain(c.name) == label for c, label in zip(data_set.classes, wanted))
    if same >= _SAME_NAMES * len(labels):
      return data_set
  return None


def _plain(name: str) -> str:
  """Returns the first synonym of a class's name, without what spellings differ in."""
  return descriptor.plain(name.split(',')[0])


def _data_set_of(labels: tuple[str, ...]) -> DataSet:
  """Returns a data set of classes of which nothing but the names is known."""
  digest = hashlib.sha256(json.dumps(labels).encode()).hexdigest()[:8]
  classes = tuple(
      Class(id=i, name=name, isthing=True, color=descriptor.color(i, name))
      for i, name in enumerate(labels))
  return DataSet(f'classes_{digest}', classes)


def _named_tasks(config: HuggingFaceConfig) -> list[str]:
  return [task for task in _TASKS if task in config.name.lower()]


def _base(config: HuggingFaceConfig, data_set: DataSet) -> str:
  """Returns the registered experiment that is nearest: of the family, the data set and the task."""
  rows = {name: row for name, row in table.ROWS.items() if row.model == config.family}
  of_data_set = {name: row for name, row in rows.items() if row.data_set == data_set.name}
  candidates = of_data_set or rows
  usual = _USUAL_TASK.get((config.family, data_set.name), _TASKS[0])
  for task in (*_named_tasks(config), usual, *_TASKS):
    for name, row in candidates.items():
      if row.task == task:
        return name
  raise AssertionError(f'no experiment of {config.family} is registered')
