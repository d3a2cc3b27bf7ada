"""Restores `task.init_checkpoint` into a model, with warnings about what trains badly."""

import dataclasses

import tf_keras

from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.task import Segmentation
from tf_maskformer.modeling.conversion import class_names
from tf_maskformer.modeling.conversion import restore
from tf_maskformer.modeling.conversion import rows
from tf_maskformer.modeling.conversion import sources

_CLASS_HEAD = 'predictor'  # the part that it is in


def initialize(model: tf_keras.Model, config: Segmentation) -> restore.Report | None:
  """Restores what the task's configuration asks for and prints the report.

  Returns:
    The report; None where the configuration names no checkpoint.

  Raises:
    UserError: as `restore.restore`, or the names of the checkpoint's classes cannot be read.
  """
  if not config.init_checkpoint:
    _warn_of_frozen_norms(config)
    return None
  parts = restore.wanted_parts(config.init_checkpoint_modules, model)
  report = restore.restore(model, config.init_checkpoint, parts, _rules(config, parts))
  for line in str(report).splitlines():
    errors.say(line)
  _warn_of_other_strides(config, report)
  return report


def _rules(config: Segmentation, parts: tuple[str, ...]) -> rows.Rules:
  """Returns what the configuration says about rows of classes and queries."""
  rules = rows.Rules(config.init_classes, config.init_queries)
  if config.init_classes != 'by_name' or _CLASS_HEAD not in parts:
    return rules
  if config.init_data_set:
    source = class_names.of_data_set(catalog.get(config.init_data_set))
  else:
    source = class_names.of_checkpoint(config.init_checkpoint)
  target = class_names.of_data_set(catalog.get(config.data_set))
  return dataclasses.replace(rules, source=source, target=target)


def _warn_of_frozen_norms(config: Segmentation) -> None:
  backbone = config.model.backbone
  if backbone.type == 'resnet' and backbone.resnet.norm == 'frozen':
    errors.warn(
        'a frozen batch norm without pretrained weights does not train well; give '
        'task.init_checkpoint (RESNET_CKPT) or set task.model.backbone.resnet.norm=group')


def _warn_of_other_strides(config: Segmentation, report: restore.Report) -> None:
  backbone = config.model.backbone
  is_resnet = backbone.type == 'resnet'
  if report.kind == sources.KERAS and is_resnet and not backbone.resnet.stride_in_1x1:
    errors.warn(
        'in ResNets of Keras Applications the stride is in the first 1x1 convolution; set '
        'task.model.backbone.resnet.stride_in_1x1=True, else the weights meet strides that they '
        'were not trained with')
