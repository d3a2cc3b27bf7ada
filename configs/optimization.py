"""AdamW with a backbone rate, and schedules, as detectron2 and the official code define them."""

import dataclasses

from official.modeling import hyperparams

from tf_maskformer.configs import limits
from tf_maskformer.configs.fields import choice
from tf_maskformer.configs.fields import share
from tf_maskformer.configs.fields import share_below_one
from tf_maskformer.configs.fields import within


@dataclasses.dataclass
class AdamW(hyperparams.Config):
  """PyTorch's AdamW: epsilon is added to the bias-corrected root, decay is decoupled."""
  beta_1: float = share_below_one(0.9)
  beta_2: float = share_below_one(0.999)
  # Above 0: where a gradient is 0, the update would be 0 / 0.
  epsilon: float = within(1e-20, 1, 1e-8)
  weight_decay: float = within(0, limits.LIST, 1e-4)  # not on norms and embeddings
  # Of the learning rate, for the backbone's variables.
  backbone_multiplier: float = within(0, limits.LIST, 0.1)
  # Of the joint gradient of all variables, summed over replicas; 0: no clipping.
  gradient_clip_norm: float = within(0, limits.NORM, 0.01)


@dataclasses.dataclass
class LearningRate(hyperparams.Config):
  """Factor(step) * base, times a linear warm-up."""
  base: float = within(0, limits.LIST, 1e-4)
  # 'poly' falls to 0 at train_steps.
  schedule: str = choice('multi_step', ('multi_step', 'poly', 'constant'))
  # multi_step: first step with the new rate.
  boundaries: list[int] = within(1, limits.INT32, [])
  factor: float = within(0, 10, 0.1)  # multi_step: applied at each boundary
  power: float = within(0, limits.LIST, 0.9)  # poly
  warmup_steps: int = 0
  warmup_factor: float = share(1.0)  # share of the rate at step 0


@dataclasses.dataclass
class Optimization(hyperparams.Config):
  """Optimizer and schedule."""
  optimizer: AdamW = dataclasses.field(default_factory=AdamW)
  learning_rate: LearningRate = dataclasses.field(default_factory=LearningRate)
