"""What is measured and how predictions are made from logits."""

import dataclasses

from official.modeling import hyperparams


@dataclasses.dataclass
class Evaluation(hyperparams.Config):
  """Panoptic inference (thresholds of the recipe) and its report."""
  object_mask_threshold: float = 0.8  # queries with a lower class score are dropped
  overlap_threshold: float = 0.8  # a mask that keeps a smaller share of itself is dropped
  report_per_class: bool = True
  num_pictures: int = 4  # pictures of predictions a validation run writes to TensorBoard
