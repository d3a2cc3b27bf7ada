"""Small models whose weights are far from their initial values, as exports take them.

At the initial zeros of norms, biases and sampling offsets an error of the sampling would not show.
"""

import json
import pathlib

import numpy as np

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import registry
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.serving.export import metadata
from tf_maskformer.serving.export import plan as plans
from tf_maskformer.serving.export.road import Road
from tf_maskformer.serving.loading import Loaded

MASKFORMER = 'maskformer_shapes_panoptic'
MASK2FORMER = 'mask2former_shapes_panoptic'


def loaded(name: str = MASKFORMER, short_edge: int = 0, long_edge_limit: int = 0, divisor: int = 0,
           **evaluation) -> Loaded:
  """Returns a model with seeded, lively weights, of few queries.

  Args:
    name: of the experiment.
    short_edge: see `configs.data.Augmentation`, as the next.
    long_edge_limit: see there.
    divisor: that images are padded to.
    **evaluation: thresholds that take the place of the experiment's.
  """
  experiment = registry.get(name)
  task = experiment.task
  augmentation = task.validation_data.parser.augmentation
  augmentation.short_edges = [short_edge] if short_edge else []
  augmentation.long_edge_limit = long_edge_limit
  task.model.size_divisibility = divisor
  task.model.num_queries = 7
  for key, value in {'instances_per_image': 5, **evaluation}.items():
    setattr(task.evaluation, key, value)
  task.resolve()
  model = build_model(task.model, seed=0)
  enliven(model)
  return Loaded(name, experiment, model, catalog.get(task.data_set), None)


def enliven(model) -> None:
  """Changes every weight at random; variances stay above 0."""
  rng = np.random.default_rng(0)
  for variable in model.weights:
    value = variable.numpy()
    noise = rng.normal(size=value.shape) * (0.3 * value.std() or 0.1)
    changed = value + noise
    if 'var' in variable.name:
      changed = np.abs(changed) + 0.1
    variable.assign(changed)
  if getattr(model.predictor, 'class_embed', None) is not None:
    bias = np.zeros(model.predictor.class_embed.bias.shape[0], np.float32)
    bias[-1] = -2  # few queries are no-object
    model.predictor.class_embed.bias.assign(bias)


def export(module, model: Loaded, plan: plans.Plan, folder: pathlib.Path):
  """Writes an export with its metadata as the program does, and returns its runtime."""
  plan.check()
  road = Road(model, plan)
  content = metadata.make(road, plan, 'panoptic')
  (folder / metadata.NAME).write_text(json.dumps(content))
  module.write(road, plan, folder)
  return module.Runtime(folder)


def image(size, seed: int = 0) -> np.ndarray:
  """Returns noise on a gradient, uint8 [*size, 3]."""
  rng = np.random.default_rng(seed)
  y, x = np.mgrid[:size[0], :size[1]]
  smooth = np.stack([2 * x % 256, 3 * y % 256, (x + y) % 256], axis=-1)
  return (0.7 * smooth + 0.3 * rng.integers(0, 256, smooth.shape)).astype(np.uint8)
