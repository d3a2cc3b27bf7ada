"""Registers experiments with the Model Garden's factory and looks them up."""

from collections.abc import Callable

from official.core import exp_factory

from configs import environment
from configs import errors
from configs.experiments import names
from configs.task import Experiment


def register(name: str) -> Callable[[Callable[[], Experiment]], Callable[[], Experiment]]:
  """Returns a decorator that registers a function as experiment `name`.

  When the experiment is looked up, the environment variables of `configs/environment.py` are applied to what
  the function returns.
  """
  def decorate(make: Callable[[], Experiment]) -> Callable[[], Experiment]:
    def lookup() -> Experiment:
      experiment = make()
      environment.apply(experiment)
      return experiment
    exp_factory.register_config_factory(name)(lookup)
    return make
  return decorate


def get(name: str) -> Experiment:
  """Returns the experiment `name`, environment variables applied.

  Raises:
    UserError: the name is unknown; the nearest right ones are in the message.
  """
  if name not in names.NAMES:
    raise errors.unknown('experiment', name, names.NAMES)
  from configs.experiments import maskformer  # pylint: disable=unused-import, import-outside-toplevel
  del maskformer
  return exp_factory.get_exp_config(name)
