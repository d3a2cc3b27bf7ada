"""The experiment: task + trainer + runtime."""

import dataclasses

from official.core import config_definitions as cfg

from tf_maskformer.configs import limits
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.configs.fields import checked
from tf_maskformer.configs.fields import choice
from tf_maskformer.configs.fields import within
from tf_maskformer.configs.losses import Losses
from tf_maskformer.configs.losses import PerPixelLosses
from tf_maskformer.configs.losses import PointLosses
from tf_maskformer.configs.model import Mask2Former
from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.configs.model import Model
from tf_maskformer.configs.model import PerPixelBaseline
from tf_maskformer.configs.model import PerPixelBaselinePlus
from tf_maskformer.configs.optimization import Optimization


@dataclasses.dataclass
class Segmentation(cfg.TaskConfig):
  """What every task has: a model, records, what is scored, what it starts from.

  MODELS (not a field): the families of models that the task is for.
  """
  # Classes, names, things, colors: the name of a file in configs/datasets/, or the path of a YAML
  # file like those.
  data_set: str = checked('coco_panoptic', catalog.get)
  model: Model = dataclasses.field(default_factory=MaskFormer)
  train_data: DataConfig = dataclasses.field(
      default_factory=lambda: DataConfig(is_training=True))
  validation_data: DataConfig = dataclasses.field(
      default_factory=lambda: DataConfig(is_training=False))
  evaluation: Evaluation = dataclasses.field(default_factory=Evaluation)
  # Take records that are trained on for validation too: a trial that overfits.
  score_training_records: bool = False
  # Images per replica that pass through the model at a time; their gradients are added up. 1: no
  # image is padded to the size of another. 0: all images at once.
  micro_batch_size: int = within(0, limits.IMAGES, 0)
  # A checkpoint or folder with checkpoints of this project, or a file of another library (.pkl,
  # .pth, .bin, .safetensors, .h5, see docs/checkpoints.md); empty: from scratch.
  init_checkpoint: str = ''
  init_checkpoint_modules: str = 'all'  # 'all', 'backbone', or names of parts, comma-separated
  # The class head, where init_checkpoint has other classes: 'by_count': as in the file where it has
  # as many classes, else its initial values; 'by_name': the rows of classes of the same name and of
  # no-object are the file's, the others initial; 'new': its initial values; 'strict': refused.
  init_classes: str = choice('by_count', ('by_count', 'by_name', 'new', 'strict'))
  # With 'by_name', the data set (see data_set) that init_checkpoint was trained on; empty: what the
  # checkpoint says, of a run its params.yaml, of a Hugging Face folder its config.json.
  init_data_set: str = ''
  # Where the model has more queries than init_checkpoint: 'extend': the first are the file's, the
  # others initial; 'strict': refused.
  init_queries: str = choice('strict', ('strict', 'extend'))

  MODELS = ()  # type: tuple[type[Model], ...]

  def resolve(self) -> None:
    """Fills in what a 0 stands for: the model's number of classes is that of the data set."""
    self.model.resolve(catalog.get(self.data_set).num_classes)


@dataclasses.dataclass
class MaskClassification(Segmentation):
  """Trains and evaluates a mask classification model."""
  MODELS = (MaskFormer, Mask2Former)
  losses: Losses = dataclasses.field(default_factory=Losses)


@dataclasses.dataclass
class PointMaskClassification(Segmentation):
  """Trains a mask classification model whose loss compares masks in points (Mask2Former)."""
  MODELS = (MaskFormer, Mask2Former)
  model: Model = dataclasses.field(default_factory=Mask2Former)
  losses: PointLosses = dataclasses.field(default_factory=PointLosses)


@dataclasses.dataclass
class PerPixel(Segmentation):
  """Trains and evaluates a per-pixel classification baseline."""
  MODELS = (PerPixelBaseline, PerPixelBaselinePlus)
  model: Model = dataclasses.field(default_factory=PerPixelBaseline)
  losses: PerPixelLosses = dataclasses.field(default_factory=PerPixelLosses)


@dataclasses.dataclass
class Runtime(cfg.RuntimeConfig):
  """Hardware, precision, seed."""
  distribution_strategy: str = choice(
      'one_device', ('one_device', 'mirrored', 'multi_worker_mirrored', 'tpu'))
  mixed_precision_dtype: str = choice(
      'float32', ('float32', 'bfloat16', 'float16', 'mixed_bfloat16', 'mixed_float16'))
  num_gpus: int = within(0, limits.DEVICES, 0)  # of each worker
  # How gradients are added up, by 'mirrored' ('nccl', 'hierarchical_copy') or
  # 'multi_worker_mirrored' ('nccl', 'ring'); None: chosen by TensorFlow.
  all_reduce_alg: str | None = choice(None, (None, 'nccl', 'hierarchical_copy', 'ring'))
  seed: int = 0  # of weights, order and augmentation
  jit_compile: bool = False  # compile the training step with XLA; the matcher is then in the graph


@dataclasses.dataclass
class Trainer(cfg.TrainerConfig):
  """Steps, intervals, guards. Intervals are in steps."""
  optimizer_config: Optimization = dataclasses.field(default_factory=Optimization)
  train_tf_while_loop: bool = False  # one call per step, so that a signal is handled after each
  steps_per_loop: int = within(1, limits.INT32, 20)  # steps between two lines on the console
  summary_interval: int = 100
  checkpoint_interval: int = within(1, limits.INT32, 1000)
  max_to_keep: int = within(1, limits.INT32, 5)  # checkpoints
  train_steps: int = within(1, limits.INT32, 0)  # must be set
  validation_interval: int = within(1, limits.INT32, 1000)
  continuous_eval_timeout: int = within(0, limits.INT32, 3600)  # seconds without a checkpoint
  # Scored on the host, which a loop in the graph cannot be.
  eval_tf_while_loop: bool = choice(False, (False,))
  best_checkpoint_eval_metric: str = 'pq_all'
  best_checkpoint_metric_comp: str = choice('higher', ('higher', 'lower'))
  # Non-finite updates in a row after which training stops.
  max_skipped_updates: int = within(1, limits.INT32, 20)


@dataclasses.dataclass
class Experiment(cfg.ExperimentConfig):
  """A registered experiment: everything that a run needs to know."""
  # What follows from the data (sizes, steps, batch, ...) is still to be filled in.
  fits_data: bool = False
  task: Segmentation = dataclasses.field(default_factory=MaskClassification)
  trainer: Trainer = dataclasses.field(default_factory=Trainer)
  runtime: Runtime = dataclasses.field(default_factory=Runtime)
