"""Weights of the set loss and of the matching."""

import dataclasses

from official.modeling import hyperparams

from tf_maskformer.configs import limits
from tf_maskformer.configs.fields import choice
from tf_maskformer.configs.fields import share
from tf_maskformer.configs.fields import within


@dataclasses.dataclass
class Losses(hyperparams.Config):
  """MaskFormer's set loss (arXiv 2107.06278, 3.2): class + focal + dice per decoder layer."""
  class_weight: float = within(0, limits.WEIGHT, 1.0)
  mask_weight: float = within(0, limits.WEIGHT, 20.0)  # of the sigmoid focal loss
  dice_weight: float = within(0, limits.WEIGHT, 1.0)
  # Of the no-object class inside the class loss.
  no_object_weight: float = within(0, limits.WEIGHT, 0.1)
  focal_alpha: float = share(0.25)
  focal_gamma: float = within(0, limits.LIST, 2.0)
  cost_class: float = within(0, limits.WEIGHT, 1.0)  # the matching's own weights
  cost_mask: float = within(0, limits.WEIGHT, 20.0)
  cost_dice: float = within(0, limits.WEIGHT, 1.0)
  # 'auto' (in the graph on TPU and under XLA, else on the host), 'host' (SciPy) or 'graph'.
  matcher: str = choice('auto', ('auto', 'host', 'graph'))
  # The class loss is a weighted mean over groups of this many images, whatever the number of
  # replicas, and the groups are averaged: the images per GPU of the official training. 0: one mean
  # over the complete batch.
  images_per_normalizer: int = 0


@dataclasses.dataclass
class PointLosses(Losses):
  """Mask2Former's set loss (arXiv 2112.01527, 3.3): class + cross entropy + dice.

  Masks are compared in sampled points instead of in every pixel.
  """
  class_weight: float = 2.0
  mask_weight: float = 5.0  # of the sigmoid cross entropy
  dice_weight: float = 5.0
  cost_class: float = 2.0
  cost_mask: float = 5.0
  cost_dice: float = 5.0
  # Per mask, in the matching and in the losses (TRAIN_NUM_POINTS).
  points: int = within(1, limits.LOSS_POINTS, 12544)
  # Candidates per point of the losses, of which the most uncertain are chosen.
  oversample_ratio: float = within(1, limits.LIST, 3.0)
  # Share of the points that are chosen so; the others are sampled uniformly.
  importance_ratio: float = share(0.75)


@dataclasses.dataclass
class PerPixelLosses(hyperparams.Config):
  """Cross entropy of every pixel that is not void, per prediction of the per-pixel baselines."""
  weight: float = within(0, limits.WEIGHT, 1.0)
  # The loss is a mean over the pixels of this many images, and the groups are averaged; see
  # `Losses`.
  images_per_normalizer: int = 0
