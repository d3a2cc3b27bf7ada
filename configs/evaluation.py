"""What is measured and how predictions are made from logits."""

import dataclasses

from official.modeling import hyperparams

from tf_maskformer.configs import limits
from tf_maskformer.configs.fields import share
from tf_maskformer.configs.fields import within


@dataclasses.dataclass
class Evaluation(hyperparams.Config):
  """Which predictions are scored, panoptic inference's thresholds, and the report."""
  # PQ; masks are then resized to the original size before any inference, semantic too.
  panoptic: bool = True
  semantic: bool = False  # mIoU
  # Folder of label PNGs that mIoU is measured against, <file name or source id>.png per validation
  # image, values as the data set's label_rule says; empty: the records' segments.
  semantic_labels: str = ''
  instance: bool = False  # AP of masks
  # instances_*.json that AP is measured against; empty: the records' instances, or their segments
  # where they hold no instances.
  instance_annotations: str = ''
  # Boundary PQ and boundary AP too, of what is scored (Cheng et al., CVPR 2021).
  boundary: bool = False
  # Panoptic pixels whose own mask is below 0.5 stay void (Mask2Former).
  confident_pixels_only: bool = False
  # Best pairs of query and class.
  instances_per_image: int = within(1, limits.SEGMENTS, 100)
  object_mask_threshold: float = share(0.8)  # queries with a lower class score are dropped
  overlap_threshold: float = share(0.8)  # a mask that keeps a smaller share of itself is dropped
  report_per_class: bool = True
  # Predictions that each validation run draws for TensorBoard.
  num_images: int = within(0, limits.LIST, 4)
