"""Registers experiments with the Model Garden's factory and looks them up."""

import functools

from official.core import exp_factory

from tf_maskformer import errors
from tf_maskformer.configs.experiments import custom
from tf_maskformer.configs.experiments import published
from tf_maskformer.configs.experiments import shapes
from tf_maskformer.configs.experiments import table
from tf_maskformer.configs.task import Experiment

for _name in table.PUBLISHED:
  exp_factory.register_config_factory(_name)(functools.partial(published.build, _name))
for _name in table.CUSTOM:
  exp_factory.register_config_factory(_name)(functools.partial(custom.build, _name))
exp_factory.register_config_factory('maskformer_shapes_panoptic')(shapes.shapes_panoptic)
exp_factory.register_config_factory('mask2former_shapes_panoptic')(shapes.shapes_mask2former)


def get(name: str) -> Experiment:
  """Returns the experiment `name` as registered, a new object each time.

  Raises:
    UserError: the name is unknown; the nearest right ones are in the message.
  """
  if name not in table.ROWS:
    raise errors.unknown('experiment', name, table.ROWS)
  return exp_factory.get_exp_config(name)
