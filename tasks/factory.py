"""From a task's configuration to the task."""

from configs.task import MaskClassification
from configs.task import PerPixel
from configs.task import PointMaskClassification
from configs.task import Runtime
from configs.task import Segmentation
from tasks.mask_classification import MaskClassificationTask
from tasks.per_pixel import PerPixelTask
from tasks.segmentation import SegmentationTask

TASKS = {
    MaskClassification: MaskClassificationTask, PointMaskClassification: MaskClassificationTask, PerPixel: PerPixelTask}


def build_task(params: Segmentation, runtime: Runtime | None = None) -> SegmentationTask:
  """Returns the task that runs such a configuration."""
  return TASKS[type(params)](params, runtime)
