"""The one door from a checkpoint to a model that knows its classes, sizes and task."""

import dataclasses
import os
from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras

from tf_maskformer import checkpoint_path
from tf_maskformer import files
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.configs.experiments import registry
from tf_maskformer.configs.experiments import settings
from tf_maskformer.configs.task import Experiment
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import hugging_face_config
from tf_maskformer.modeling.conversion import restore
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.serving import candidates
from tf_maskformer.serving import hugging_face
from tf_maskformer.serving.export import metadata
from tf_maskformer.serving.exported import Exported
from tf_maskformer.serving.predictor import Predictor


@dataclasses.dataclass(frozen=True)
class Configured:
  """What a checkpoint's configuration says.

  Attributes:
    name: of the registered experiment that it starts from.
    experiment: settled and valid.
    data_set: the classes: names, ids, whether things, colors.
  """
  name: str
  experiment: Experiment
  data_set: DataSet


@dataclasses.dataclass(frozen=True)
class Loaded:
  """A model with its weights and what belongs to it.

  Attributes:
    name: of the registered experiment that its configuration starts from.
    experiment: settled and valid.
    model: with its weights.
    data_set: the classes: names, ids, whether things, colors.
    report: what was restored.
  """
  name: str
  experiment: Experiment
  model: tf_keras.Model
  data_set: DataSet
  report: restore.Report


def configure(
    source: str | os.PathLike, experiment: str | None = None, overrides: Sequence[str] = (),
    config_files: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> Configured:
  """Returns the configuration of a checkpoint; reads no weights.

  Args:
    source: a run's folder, the folder `best` in it or a checkpoint's prefix in either; or another
      checkpoint (`modeling.conversion.sources.read`), of which the experiment must be named.
    experiment: a registered name, which then takes the place of what the source says.
    overrides: texts of --params_override.
    config_files: names of YAML or JSON files, below `overrides`.
    environ: environment variables, below `config_files`; None: they are not looked at.

  Raises:
    UserError: the source does not exist or does not say what it is, or a setting is wrong.
  """
  source = os.fspath(source)
  if experiment:
    name = experiment
    settled = registry.get(experiment)
  else:
    with files.reading(f'checkpoint {source}'):
      name, settled = _of_source(source)
  settings.settle(settled, config_files, overrides, environ, name=name)
  return Configured(name, settled, catalog.get(settled.task.data_set))


def open_checkpoint(
    source: str | os.PathLike, experiment: str | None = None, overrides: Sequence[str] = (),
    config_files: Sequence[str] = (), environ: Mapping[str, str] | None = None,
    allow_nonfinite_weights: bool = False) -> Loaded:
  """Returns a checkpoint's model with every weight restored; arguments and errors as `configure`.

  Args:
    source: see `configure`; of a folder, the newest whole checkpoint is taken.
    experiment: see `configure`.
    overrides: see `configure`.
    config_files: see `configure`.
    environ: see `configure`.
    allow_nonfinite_weights: weights may be NaN or infinite.

  Raises:
    UserError: the checkpoint cannot be read or does not fit the model, too.
  """
  found = configure(source, experiment, overrides, config_files, environ)
  model = build_model(found.experiment.task.model)
  report = restore.restore(
      model, os.fspath(source), allow_nonfinite=allow_nonfinite_weights)
  return Loaded(found.name, found.experiment, model, found.data_set, report)


def load(
    source: str | os.PathLike, experiment: str | None = None,
    overrides: Sequence[str] = (), allow_nonfinite_weights: bool = False) -> Predictor | Exported:
  """Returns a predictor of a checkpoint's model or of an exported folder.

  Arguments and errors as `open_predictor`; environment variables are never looked at.
  """
  predictor, _ = open_predictor(
      source, experiment, overrides, allow_nonfinite_weights=allow_nonfinite_weights)
  return predictor


def open_predictor(
    source: str | os.PathLike, experiment: str | None = None, overrides: Sequence[str] = (),
    config_files: Sequence[str] = (), environ: Mapping[str, str] | None = None,
    allow_nonfinite_weights: bool = False) -> tuple[Predictor | Exported, str]:
  """Returns what predicts images, and in a text what was read; arguments as `open_checkpoint`.

  Args:
    source: see `configure`; or an exported folder, which has its settings inside.
    experiment: see `configure`; nothing of an exported folder, as the following.
    overrides: see `configure`.
    config_files: see `configure`.
    environ: see `configure`; of no effect on an exported folder.
    allow_nonfinite_weights: see `open_checkpoint`; of no effect on an exported folder.

  Raises:
    UserError: see `open_checkpoint`; or an exported folder is damaged or given settings.
  """
  folder = metadata.find(source)
  if folder is None:
    loaded = open_checkpoint(
        source, experiment, overrides, config_files, environ, allow_nonfinite_weights)
    predictor = Predictor(loaded.model, loaded.experiment.task, loaded.data_set)
    return predictor, str(loaded.report)
  if experiment or overrides or config_files:
    raise UserError(
        f'{source} is an export, whose settings cannot be changed; leave out experiment and '
        'overrides, or export the checkpoint again with them')
  exported = Exported(folder)
  return exported, f'{folder}: {exported!r}'


def _of_source(source: str) -> tuple[str, Experiment]:
  """Returns the name and the experiment that the source itself says."""
  folder = settings.run_folder(source)
  if folder:
    return settings.of_run(folder)
  if metadata.find(source):
    raise UserError(
        f'{source} is an export, not a checkpoint; name the checkpoint that it was made from')
  config = hugging_face_config.find(source)
  if config:
    return hugging_face.configure(config)
  if not tf.io.gfile.exists(source) and not tf.io.gfile.exists(source + '.index'):
    raise checkpoint_path.missing(source)
  fitting = candidates.candidates(source)
  shapes = f'; its shapes are those of {" or ".join(fitting)}' if fitting else ''
  raise UserError(
      f'{source} does not say of which model it is{shapes}; name the experiment '
      '(tf-maskformer experiments prints the names)')
