"""A per-pixel task as small as the embedded experiments."""

from tf_maskformer.configs.model import PerPixelBaseline
from tf_maskformer.configs.model import PerPixelBaselinePlus
from tf_maskformer.configs.task import PerPixel
from tf_maskformer.configs.task import Segmentation


def task_like(task: Segmentation, plus: bool = False) -> PerPixel:
  """Returns a per-pixel task with the parts, the data set and the records of a small task."""
  model = task.model
  options = dict(
      backbone=model.backbone, pixel_decoder=model.pixel_decoder,
      which_pixel_decoder=model.which_pixel_decoder)
  if plus:
    model = PerPixelBaselinePlus(transformer_decoder=model.transformer_decoder, **options)
  else:
    model = PerPixelBaseline(**options)
  return PerPixel(
      data_set=task.data_set, model=model, train_data=task.train_data,
      validation_data=task.validation_data,
      evaluation=task.evaluation.replace(panoptic=False, semantic=True))
