"""From a task's configuration to the task."""

from tf_maskformer.configs.task import MaskClassification
from tf_maskformer.configs.task import PerPixel
from tf_maskformer.configs.task import PointMaskClassification
from tf_maskformer.configs.task import Runtime
from tf_maskformer.configs.task import Segmentation
from tf_maskformer.tasks.mask_classification import MaskClassificationTask
from tf_maskformer.tasks.per_pixel import PerPixelTask
from tf_maskformer.tasks.segmentation import SegmentationTask

TASKS = {
    MaskClassification: MaskClassificationTask,
    PointMaskClassification: MaskClassificationTask,
    PerPixel: PerPixelTask,
}


def build_task(params: Segmentation, runtime: Runtime | None = None,
               train_steps: int | None = None) -> SegmentationTask:
  """Returns the task that runs such a configuration; see `SegmentationTask`."""
  return TASKS[type(params)](params, runtime, train_steps=train_steps)
