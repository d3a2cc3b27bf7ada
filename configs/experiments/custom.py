"""Experiments on a data set of one's own: a recipe for few images that follows from them.

Where nothing is said, numbers are those of the published recipes on COCO. Its rules, which `fit`
prints with their results:

- Training windows are squares of the median long edge, a multiple of 32 in 64 .. 1024 pixels, out
  of images whose long edge is scaled to 0.5 to 1.5 of that; validation images have the median
  short edge, or less in proportion where the window is at its limit.
- A batch has 2 megapixels, at most 16 images (Mask2Former's has 16 of 1 megapixel).
- The learning rate is 1e-4 for 16 images and scales with the root of the batch, as fits Adam.
- The training sees every image 50 times (COCO's 50 epochs); where that is below 16000 images,
  more often, up to 300 times.
- The small network is for trials on a CPU: windows of at most 256 pixels, batches of 1/4 megapixel,
  and 400 megapixels in all, or every image once, whichever is more.
"""

import os

from tf_maskformer.configs.backbones import Backbone
from tf_maskformer.configs.data import Augmentation
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.data import ParserConfig
from tf_maskformer.configs.datasets.facts import Facts
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.configs.experiments import shapes
from tf_maskformer.configs.experiments import table
from tf_maskformer.configs.experiments.table import Row
from tf_maskformer.configs.losses import Losses
from tf_maskformer.configs.losses import PointLosses
from tf_maskformer.configs.model import Mask2Former
from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.configs.model import TransformerModel
from tf_maskformer.configs.optimization import AdamW
from tf_maskformer.configs.optimization import LearningRate
from tf_maskformer.configs.optimization import Optimization
from tf_maskformer.configs.task import Experiment
from tf_maskformer.configs.task import MaskClassification
from tf_maskformer.configs.task import PointMaskClassification
from tf_maskformer.configs.task import Segmentation
from tf_maskformer.configs.task import Trainer

_STRIDE = 32  # of the network
_SMALLEST_WINDOW = 64
_LARGEST_WINDOW = 1024
_LARGEST_SMALL_WINDOW = 256
_JITTER = [0.5, 1.5]
_PIXELS = 2 * 1024**2  # of a batch
_SMALL_PIXELS = 512**2
_SMALL_SEEN = 400e6  # pixels of a training
_IMAGES = 16  # of a batch, at most
_SCORINGS = 10  # of a training
_FEW = 20  # images for validation
_RATE = 1e-4  # for that many
_SMALL_RATE = 1e-3
_EPOCHS = 50
_MOST_EPOCHS = 300
_SEEN = 16000  # images, if that is not more than _MOST_EPOCHS
_LONG = 2  # a long edge of validation, by the short one
_SCORES = {
    'panoptic': ('panoptic', 'semantic', 'instance'), 'semantic': ('semantic',),
    'instance': ('instance',)}


def build(name: str) -> Experiment:
  """Returns the experiment of that name, a key of `table.CUSTOM`, as far as no data are known."""
  row = table.CUSTOM[name]
  make_task, make_losses = {
      'maskformer': (MaskClassification, Losses),
      'mask2former': (PointMaskClassification, PointLosses)}[row.model]
  is_semantic = row.task == 'semantic'
  parser = ParserConfig(merge_classes=is_semantic, drop_vanished_segments=True)
  scored = ParserConfig(
      merge_classes=is_semantic, augmentation=Augmentation(flip_probability=0.0))
  scores = _SCORES[row.task]
  evaluation = Evaluation(
      panoptic='panoptic' in scores,
      semantic='semantic' in scores,
      instance='instance' in scores,
      confident_pixels_only=row.model == 'mask2former',
      # After a short training scores are not yet as high as the published thresholds expect.
      object_mask_threshold=0.5)
  task = make_task(
      data_set='',
      model=_model(row),
      losses=make_losses(),
      train_data=DataConfig(is_training=True, parser=parser),
      validation_data=DataConfig(is_training=False, drop_remainder=False, parser=scored),
      evaluation=evaluation,
      init_queries='extend')
  rate = LearningRate(base=_RATE, schedule='poly', warmup_factor=0.01)
  optimizer = AdamW(weight_decay=0.05 if row.model == 'mask2former' else 1e-4)
  if row.backbone == table.SMALL:  # as on the embedded data set
    rate.base = _SMALL_RATE
    optimizer.gradient_clip_norm = 1.0
  trainer = Trainer(
      best_checkpoint_eval_metric=row.metric,
      optimizer_config=Optimization(optimizer=optimizer, learning_rate=rate))
  return Experiment(task=task, trainer=trainer, fits_data=True)


def _model(row: Row) -> TransformerModel:
  """Returns the model of a row."""
  is_mask2former = row.model == 'mask2former'
  if row.backbone == table.SMALL:
    if not is_mask2former:
      return MaskFormer(**shapes.parts())
    model = Mask2Former(**shapes.parts())
    model.pixel_decoder.recompute_encoder = False
    return model
  kind, options = table.BACKBONES[row.backbone]
  backbone = Backbone(type=kind)
  backbone.get().override(options)
  if is_mask2former:
    return Mask2Former(backbone=backbone)
  return MaskFormer(backbone=backbone, which_pixel_decoder='fpn', size_divisibility=_STRIDE)


def fit(experiment: Experiment, wanted: Experiment, facts: Facts) -> list[str]:
  """Fills in what follows from the data; returns lines that say what and why.

  Args:
    experiment: of `build`; changed in place.
    wanted: the same with everything that the user sets, which decides what it starts from.
    facts: about the records.
  """
  task = experiment.task
  lines = [
      f'records: {facts.train_images} images for training, {facts.validation_images} for '
      f'validation, of {facts.folder}']
  task.data_set = wanted.task.data_set
  task.train_data.input_path = os.path.join(facts.folder, 'train-*.tfrecord')
  task.validation_data.input_path = os.path.join(facts.folder, 'val-*.tfrecord')
  if facts.validation_images < _FEW:
    lines.append(
        f'remark: scores of {facts.validation_images} images vary by several points; '
        'tf-maskformer prepare custom --split 0.7 takes more of them for validation')
  lines += _fit_sizes(task, facts)
  lines += _fit_schedule(experiment, facts)
  lines += _fit_segments(task, facts)
  lines += _fit_start(task, wanted.task)
  experiment.fits_data = False
  return lines


def _is_small(task: Segmentation) -> bool:
  """Whether the model is the thin network."""
  return task.model.backbone == shapes.parts()['backbone']


def _fit_sizes(task: Segmentation, facts: Facts) -> list[str]:
  rounded = -(-facts.long_edge // _STRIDE) * _STRIDE
  largest = _LARGEST_SMALL_WINDOW if _is_small(task) else _LARGEST_WINDOW
  window = min(max(rounded, _SMALLEST_WINDOW), largest)
  short_edge = round(facts.short_edge * min(1.0, window / facts.long_edge))
  short_edge = max(short_edge, 1)
  parser = task.train_data.parser
  parser.output_size = [window, window]
  parser.augmentation = Augmentation(scale_jitter=list(_JITTER), crop_to_output=True)
  scored = task.validation_data.parser.augmentation
  scored.short_edges = [short_edge]
  scored.long_edge_limit = max(_LONG * short_edge, window)
  task.validation_data.parser.output_size = []
  task.validation_data.global_batch_size = 0
  return [
      f'sizes: windows of {window}x{window} (this model has at most {largest}), cut out of images '
      f'whose long edge is scaled to {_JITTER[0]:g} to {_JITTER[1]:g} of that; scored and '
      'predicted '
      f'at short edge {short_edge} (the median image has {facts.short_edge}x{facts.long_edge} '
      'pixels)']


def _fit_schedule(experiment: Experiment, facts: Facts) -> list[str]:
  window = experiment.task.train_data.parser.output_size[0]
  is_small = _is_small(experiment.task)
  fitting = max((_SMALL_PIXELS if is_small else _PIXELS) // window**2, 1)
  images = min(_IMAGES, 2 ** (fitting.bit_length() - 1), facts.train_images)
  enough = min(_SEEN, _MOST_EPOCHS * facts.train_images)
  seen = max(_EPOCHS * facts.train_images, enough)
  if is_small:
    seen = max(facts.train_images, min(seen, round(_SMALL_SEEN / window**2)))
  steps = max(-(-seen // images), 1)
  experiment.task.train_data.global_batch_size = images
  experiment.task.train_data.shuffle_buffer_size = min(max(facts.train_images, 1), 1000)
  trainer = experiment.trainer
  interval = -(-steps // _SCORINGS)
  trainer.train_steps = steps
  trainer.validation_interval = interval
  trainer.checkpoint_interval = interval
  rate = trainer.optimizer_config.learning_rate
  full = rate.base
  rate.base = float(f'{full * (images / _IMAGES)**0.5:.3g}')
  rate.warmup_steps = min(steps // 10, 500)
  return [
      f'schedule: {steps} steps of {images} images ({seen / facts.train_images:.0f} times each), '
      f'scored every {interval}',
      f'learning rate: {rate.base:g} = {full:g} x root of ({images} / {_IMAGES} images)']


def _fit_segments(task: Segmentation, facts: Facts) -> list[str]:
  """Slots for what an image holds, a query for each and a quarter more, planes for overlaps."""
  segments = -(-facts.most_segments // 8) * 8
  for data in (task.train_data, task.validation_data):
    data.parser.max_segments = segments
    data.parser.max_layers = facts.most_planes
  model = task.model
  assert isinstance(model, TransformerModel)
  wanted = -(-5 * facts.most_segments // 4)
  if wanted > model.num_queries:
    model.num_queries = -(-wanted // 10) * 10
  return [
      f'segments: at most {facts.most_segments} in an image, in {facts.most_planes} id maps; '
      f'{model.num_queries} queries']


def _fit_start(task: Segmentation, wanted: Segmentation) -> list[str]:
  """Norms that learn where nothing is loaded, and how the class head starts."""
  backbone = task.model.backbone.get()
  if not wanted.init_checkpoint:
    if getattr(backbone, 'norm', '') == 'frozen':
      backbone.norm = 'group'  # whatever the batch
    return ['start: random weights; task.init_checkpoint=model_final.pkl takes published ones']
  if wanted.init_data_set or os.path.isdir(wanted.init_checkpoint):
    task.init_classes = 'by_name'
    return [f'start: {wanted.init_checkpoint}; its class head keeps the classes of the same name']
  task.init_classes = 'new'
  return [
      f'start: {wanted.init_checkpoint} with a new class head; where task.init_data_set names the '
      "file's data set, classes of the same name are kept"]
