"""Settles what an experiment is: where it starts from, and what changes it.

The stronger first: `--params_override`, `--config_file`, environment variables (of programs that
document them), and the registered experiment or, of a run, its params.yaml.
"""

import copy
import os
from collections.abc import Mapping, Sequence

import tensorflow as tf
import yaml

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.configs import environment
from tf_maskformer.configs import override_files
from tf_maskformer.configs import override_syntax
from tf_maskformer.configs import overrides
from tf_maskformer.configs import rules
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor_file
from tf_maskformer.configs.datasets import facts
from tf_maskformer.configs.experiments import custom
from tf_maskformer.configs.experiments import registry
from tf_maskformer.configs.task import Experiment

PARAMS = 'params.yaml'
_NAME = 'experiment'  # the key of its name in a params.yaml
_BEST = 'best'  # the folder in a run's folder with its best checkpoint


def settle(
    experiment: Experiment, config_files: Sequence[str] = (), changes: Sequence[str] = (),
    environ: Mapping[str, str] | None = None, tpu: str = '', name: str = '') -> None:
  """Changes an experiment in place by everything that a user may set; completes and validates it.

  Args:
    experiment: as registered, or as a run's folder has it.
    config_files: names of YAML or JSON files; a later one is stronger. The params.yaml of a run is
      one of them, too.
    changes: texts of --params_override; a later one is stronger.
    environ: environment variables; what they change is printed. None: they are not looked at.
    tpu: address of a TPU, which sets the strategy; empty: none.
    name: registered name of the experiment, which must be that of such a params.yaml; empty: any.

  Raises:
    UserError: a setting is wrong, or settings contradict each other.
  """
  if experiment.fits_data:
    wanted = copy.deepcopy(experiment)
    if environ is not None:
      environment.apply(wanted, environ, says=False)
    _apply(wanted, config_files, changes, name)
    records = os.path.dirname(wanted.task.train_data.input_path)
    wanted.task.data_set = wanted.task.data_set or records
    for line in custom.fit(experiment, wanted, facts.read(wanted.task.data_set)):
      errors.say(line)
  if environ is not None:
    environment.apply(experiment, environ)
  if tpu:
    environment.use_tpu(experiment, tpu)
  _apply(experiment, config_files, changes, name)
  experiment.task.resolve()
  rules.validate(experiment)


def _apply(experiment: Experiment, config_files: Sequence[str], changes: Sequence[str],
           name: str) -> None:
  """Changes an experiment by files and texts; arguments as `settle`."""
  for path in config_files:
    _apply_file(experiment, path, name)
  for text in changes:
    if override_syntax.is_file(text):
      _apply_file(experiment, text.strip(), name)
    else:
      overrides.apply(experiment, text)


def has_params(folder: str) -> bool:
  """Whether a folder holds the params.yaml of a run."""
  return tf.io.gfile.exists(os.path.join(folder, PARAMS))


def run_folder(source: str) -> str | None:
  """Returns the folder of the run that a checkpoint is of; None where there is no params.yaml.

  Args:
    source: a run's folder, the folder `best` in it, or a checkpoint's prefix in either.
  """
  path = source.rstrip('/') if '://' in source else os.path.abspath(source)
  if not tf.io.gfile.isdir(path):
    if not tf.io.gfile.exists(path.removesuffix('.index') + '.index'):
      return None  # a file of another library, whatever is next to it
    path = os.path.dirname(path)
  if has_params(path):
    return path
  parent, name = os.path.split(path)
  return parent if name == _BEST and has_params(parent) else None


def of_run(folder: str) -> tuple[str, Experiment]:
  """Returns the name and the experiment of a run, as the params.yaml in its folder has it.

  Fields that are no longer known are left out and named; fields that are new have their defaults.

  Raises:
    UserError: the file is missing or damaged, or its experiment or a value is unknown.
  """
  path = os.path.join(folder, PARAMS)
  values = dict(override_files.read(path))
  name = values.pop(_NAME, None)
  if not isinstance(name, str):
    raise errors.UserError(f'{path} does not name its experiment; give --experiment')
  experiment = registry.get(name)
  _apply_params(experiment, values, path)
  return name, experiment


def _apply_file(experiment: Experiment, path: str, name: str) -> None:
  """Changes an experiment as a file of settings says, which may be the params.yaml of a run."""
  values = dict(override_files.read(path))
  if _NAME not in values:
    overrides.apply_values(experiment, values, path)
    return
  given = values.pop(_NAME)
  if name and given != name:
    raise errors.UserError(
        f'{path} has the settings of the experiment {errors.quoted(given)}, not of {name}; give '
        f'--experiment {errors.quoted(given)}, or a file of settings of {name}')
  _apply_params(experiment, values, path)


def _apply_params(experiment: Experiment, values: dict, path: str) -> None:
  """Changes an experiment as a params.yaml says, whose name was taken out of `values`."""
  _take_own_data_set(values, os.path.dirname(path))
  removed: list[str] = []
  known = _known(values, experiment, '', removed)
  if removed:
    fields = ', '.join(removed)
    errors.say(f'{path}: not used, since this version has no such fields: {fields}')
  overrides.apply_values(experiment, known, path)


def as_yaml(experiment: Experiment, name: str) -> str:
  """Returns the content of a params.yaml: the name and every field of an experiment."""
  return yaml.safe_dump({_NAME: name, **experiment.as_dict()})


def write(folder: str, name: str, experiment: Experiment) -> None:
  """Writes what `of_run` reads into a folder that is not a run's: of a converted checkpoint."""
  files.write_text(os.path.join(folder, PARAMS), as_yaml(experiment, name))
  write_data_set(folder, experiment.task.data_set)


def write_data_set(folder: str, data_set: str) -> None:
  """Writes a copy of a data set that is not built in into a folder, as `of_run` takes it."""
  if data_set not in catalog.names():
    text = descriptor_file.text_of(catalog.get(data_set))
    files.write_text(os.path.join(folder, descriptor_file.NAME), text)


def _take_own_data_set(values: dict, folder: str) -> None:
  """Makes the data set in a run's `values` its own copy, where it has one."""
  task = values.get('task')
  path = os.path.join(folder, descriptor_file.NAME)
  if isinstance(task, Mapping) and tf.io.gfile.exists(path):
    values['task'] = {**task, 'data_set': path}


def _known(values: Mapping, config, prefix: str, removed: list[str]) -> dict:
  """Returns the values whose fields exist; appends the dotted names of the others to `removed`.

  Of the model every value is kept: without one of them it would be another model.
  """
  known = {}
  for name, value in values.items():
    key = f'{prefix}{name}'
    if not hasattr(config, name) and not key.startswith('task.model.'):
      removed.append(key)
      continue
    field = getattr(config, name, None)
    is_group = isinstance(value, Mapping) and hasattr(field, 'as_dict')
    known[name] = _known(value, field, f'{key}.', removed) if is_group else value
  return known
