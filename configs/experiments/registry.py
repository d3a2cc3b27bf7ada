"""Registers experiments with the Model Garden's factory and looks them up."""

import functools
from collections.abc import Callable

from official.core import exp_factory

from tf_maskformer import errors
from tf_maskformer.configs import environment
from tf_maskformer.configs.experiments import published
from tf_maskformer.configs.experiments import shapes
from tf_maskformer.configs.experiments import table
from tf_maskformer.configs.task import Experiment


def _register(name: str, make: Callable[[], Experiment]) -> None:
  """Registers what `make` returns as experiment `name`; environment variables are applied at each look-up."""
  def lookup() -> Experiment:
    experiment = make()
    environment.apply(experiment)
    return experiment
  exp_factory.register_config_factory(name)(lookup)


for _name in table.PUBLISHED:
  _register(_name, functools.partial(published.build, _name))
_register('maskformer_shapes_panoptic', shapes.shapes_panoptic)
_register('mask2former_shapes_panoptic', shapes.shapes_mask2former)


def get(name: str) -> Experiment:
  """Returns the experiment `name`, environment variables applied.

  Raises:
    UserError: the name is unknown; the nearest right ones are in the message.
  """
  if name not in table.ROWS:
    raise errors.unknown('experiment', name, table.ROWS)
  return exp_factory.get_exp_config(name)
