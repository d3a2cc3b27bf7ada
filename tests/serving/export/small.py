"""A small model with lively random weights, as a checkpoint that was loaded."""

import numpy as np
import yaml

from tf_maskformer.configs import overrides
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import registry
from tf_maskformer.modeling.conversion import restore
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.serving.export import samples
from tf_maskformer.serving.loading import Loaded

PANOPTIC = 'maskformer_shapes_panoptic'
MASK2FORMER = 'mask2former_shapes_panoptic'
SMALL = ('task.model.pixel_decoder.width=32,task.model.pixel_decoder.mask_width=32,'
         'task.model.transformer_decoder.layers=1,task.evaluation.object_mask_threshold=0,'
         'task.evaluation.overlap_threshold=0.02,task.model.size_divisibility=32')
RESIZED = ('task.validation_data.parser.augmentation.short_edges=[48],'
           'task.validation_data.parser.augmentation.long_edge_limit=96')
INSTANCE = ('task.evaluation.panoptic=False,task.evaluation.instance=True,'
            'task.evaluation.instances_per_image=7')
SEMANTIC = 'task.evaluation.panoptic=False,task.evaluation.semantic=True'


def experiment_of(name=PANOPTIC, *changes):
  """Returns the experiment with a small model."""
  experiment = registry.get(name)
  for text in (SMALL, *changes):
    overrides.apply(experiment, text)
  experiment.task.resolve()
  return experiment


def enliven(model, seed=0):
  """Gives norms, biases and offsets, which start at constants, random values."""
  rng = np.random.default_rng(seed)
  for variable in model.variables:
    value = variable.numpy()
    if value.ndim < 2:
      spread = rng.normal(0, 0.2, value.shape).astype(value.dtype)
      variable.assign(np.abs(value + spread) if 'variance' in variable.name else value + spread)


def loaded(name=PANOPTIC, *changes):
  """Returns the small model as a checkpoint that was loaded."""
  experiment = experiment_of(name, *changes)
  model = build_model(experiment.task.model, seed=0)
  enliven(model)
  if hasattr(model.predictor, 'class_embed'):
    bias = np.zeros(model.predictor.class_embed.bias.shape, np.float32)
    bias[-1] = -3  # few queries are no-object
    model.predictor.class_embed.bias.assign(bias)
  data_set = catalog.get(experiment.task.data_set)
  report = restore.Report('small', 'test', [], [], [], [], [])
  return Loaded(name, experiment, model, data_set, report)


def save_run(folder, name=PANOPTIC, *changes):
  """Writes a run's folder: a checkpoint and its params.yaml; returns the folder."""
  import tensorflow as tf
  found = loaded(name, *changes)
  tf.train.Checkpoint(model=found.model).save(str(folder / 'ckpt'))
  text = yaml.safe_dump({'experiment': name, **found.experiment.as_dict()})
  (folder / 'params.yaml').write_text(text)
  return folder


def images():
  """Returns images of several shapes, uint8 [height, width, 3]."""
  return [samples.draw(size, seed) for seed, size in enumerate([(64, 64), (50, 71), (97, 33)])]
