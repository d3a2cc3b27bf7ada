"""Writes exports of the small models as the program does."""

import importlib
import json

from tests.serving.export import small
from tf_maskformer.serving.export import compare
from tf_maskformer.serving.export import metadata
from tf_maskformer.serving.export import plan as plans
from tf_maskformer.serving.export.reference import Reference
from tf_maskformer.serving.export.road import Road


def write(folder, plan, *changes, name=small.PANOPTIC):
  """Writes an export with its metadata; returns its runtime and the checkpoint's own answers."""
  plan.check()
  found = small.loaded(name, *changes)
  road = Road(found, plan)
  (folder / metadata.NAME).write_text(json.dumps(metadata.make(road, plan, 'panoptic')))
  module = importlib.import_module(
      f'tf_maskformer.serving.export.{plans.FORMATS[plan.format].module}')
  module.write(road, plan, folder)
  return module.Runtime(folder), Reference(found, plan)


def assert_near(expected, found, plan, is_resized=False):
  """Fails where an answer is beyond the tolerance that the program itself demands."""
  difference = compare.difference(expected, found, plan.task)
  problem = difference.exceeds(compare.tolerance_of(plan.precision, is_resized))
  assert not problem, problem
