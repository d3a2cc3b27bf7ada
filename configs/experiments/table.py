"""The registered experiments as plain data, readable without TensorFlow.

An experiment is a model on a data set for a task with a backbone. What experiments share is in
`recipes` (by model, data set and task) and in `BACKBONES`; scores are those of the official model
zoos: PQ, single-scale mIoU, or AP of masks, in percent.
"""

import dataclasses
from collections.abc import Mapping

from tf_maskformer.configs.experiments import recipes
from tf_maskformer.configs.experiments.recipes import Recipe

# By name: the kind of backbone and its options in configs/backbones.py.
_SWIN_TINY = {'embed_dim': 96, 'depths': [2, 2, 6, 2], 'heads': [3, 6, 12, 24], 'window': 7}
_SWIN_SMALL = {'embed_dim': 96, 'depths': [2, 2, 18, 2], 'heads': [3, 6, 12, 24], 'window': 7}
_SWIN_BASE = {'embed_dim': 128, 'depths': [2, 2, 18, 2], 'heads': [4, 8, 16, 32], 'window': 12}
_SWIN_LARGE = {'embed_dim': 192, 'depths': [2, 2, 18, 2], 'heads': [6, 12, 24, 48], 'window': 12}
_R101C = {'depth': 101, 'stem_type': 'deeplab', 'stem_channels': 128, 'res5_multi_grid': [1, 2, 4]}
BACKBONES: dict[str, tuple[str, dict]] = {
    'r50': ('resnet', {'depth': 50}),
    'r101': ('resnet', {'depth': 101}),
    'r101c': ('resnet', _R101C),
    'swin_tiny': ('swin', _SWIN_TINY),
    'swin_small': ('swin', _SWIN_SMALL),
    'swin_base': ('swin', _SWIN_BASE),  # pretrained on ImageNet-21k
    'swin_base_in1k': ('swin', _SWIN_BASE),  # pretrained on ImageNet-1k
    'swin_large': ('swin', _SWIN_LARGE),
}

# By task: what the results call the score that is compared, and what papers call it.
_METRICS = {'panoptic': ('pq_all', 'PQ'), 'semantic': ('miou', 'mIoU'), 'instance': ('ap', 'AP')}


@dataclasses.dataclass(frozen=True)
class Row:
  """One experiment.

  Attributes:
    model: 'maskformer', 'mask2former', 'per_pixel' or 'per_pixel_plus'.
    data_set: name of a built-in data set; '' where it is the user's.
    task: 'panoptic', 'semantic' or 'instance'.
    backbone: key of `BACKBONES`, or a description of what is none of them.
    images: per step, over all replicas; 0 where it follows from the data.
    steps: of the training; 0 where they follow from the data.
    score: published value of `metric` in percent; None where nothing is published.
    source: the official configuration.
    precision: of the official training; here every row trains in float32 unless
      `runtime.mixed_precision_dtype` says otherwise.
  """
  model: str
  data_set: str
  task: str
  backbone: str
  images: int
  steps: int
  score: float | None
  source: str
  precision: str = 'float32'

  @property
  def metric(self) -> str:
    """What the results of an evaluation call the score: 'pq_all', 'miou' or 'ap'."""
    return _METRICS[self.task][0]

  @property
  def schedule(self) -> str:
    """Images per step x steps."""
    if not self.steps:
      return 'from the data'
    return f'{self.images} x {self.steps}'

  @property
  def expected(self) -> str:
    """The published score with its metric, e.g. 'PQ 46.5'; empty where nothing is published."""
    return '' if self.score is None else f'{_METRICS[self.task][1]} {self.score}'


# Of the official training, where it is not float32.
_PRECISION = {'mask2former': 'float16 AMP'}


def _name(model: str, data_set: str, task: str, backbone: str) -> str:
  data = data_set.removesuffix('_panoptic').removesuffix('_instance')
  name = f'{model}_{data}_{task}'
  return name if backbone == 'r50' else f'{name}_{backbone}'


def _rows(model: str, data_set: str, task: str, folder: str,
          published: Mapping[str, tuple[float, str]]) -> dict[str, Row]:
  """Returns the rows of a model on a data set by their names.

  Args:
    model: see `Row`.
    data_set: see `Row`.
    task: see `Row`.
    folder: of the official configurations.
    published: by backbone, the score and the official file below `folder`, without its ending.
  """
  rows = {}
  for backbone, (score, file) in published.items():
    name = _name(model, data_set, task, backbone)
    shared = recipes.get(name, model, data_set, task)
    rows[name] = Row(
        model, data_set, task, backbone, shared.images, shared.steps, score,
        f'{folder}/{file}.yaml', _PRECISION.get(model, 'float32'))
  return rows


PUBLISHED: dict[str, Row] = {
    **_rows('maskformer', 'coco_panoptic', 'panoptic', 'MaskFormer/configs/coco-panoptic', {
        'r50': (46.5, 'maskformer_panoptic_R50_bs64_554k'),
        'r101': (47.6, 'maskformer_panoptic_R101_bs64_554k'),
        'swin_tiny': (47.7, 'swin/maskformer_panoptic_swin_tiny_bs64_554k'),
        'swin_small': (49.7, 'swin/maskformer_panoptic_swin_small_bs64_554k'),
        'swin_base': (51.8, 'swin/maskformer_panoptic_swin_base_IN21k_384_bs64_554k'),
        'swin_large': (52.7, 'swin/maskformer_panoptic_swin_large_IN21k_384_bs64_554k'),
    }),
    **_rows('maskformer', 'ade20k', 'panoptic', 'MaskFormer/configs/ade20k-150-panoptic', {
        'r50': (34.7, 'maskformer_panoptic_R50_bs16_720k'),
        'r101': (35.7, 'maskformer_panoptic_R101_bs16_720k'),
    }),
    **_rows('maskformer', 'ade20k', 'semantic', 'MaskFormer/configs/ade20k-150', {
        'r50': (44.5, 'maskformer_R50_bs16_160k'),
        'r101': (45.5, 'maskformer_R101_bs16_160k'),
        'r101c': (46.0, 'maskformer_R101c_bs16_160k'),
        'swin_tiny': (46.7, 'swin/maskformer_swin_tiny_bs16_160k'),
        'swin_small': (49.8, 'swin/maskformer_swin_small_bs16_160k'),
        'swin_base': (52.7, 'swin/maskformer_swin_base_IN21k_384_bs16_160k_res640'),
        'swin_large': (54.1, 'swin/maskformer_swin_large_IN21k_384_bs16_160k_res640'),
    }),
    **_rows('per_pixel', 'ade20k', 'semantic', 'MaskFormer/configs/ade20k-150', {
        'r50': (39.2, 'per_pixel_baseline_R50_bs16_160k'),
    }),
    **_rows('per_pixel_plus', 'ade20k', 'semantic', 'MaskFormer/configs/ade20k-150', {
        'r50': (41.9, 'per_pixel_baseline_plus_R50_bs16_160k'),
    }),
    **_rows('maskformer', 'ade20k_full', 'semantic', 'MaskFormer/configs/ade20k-full-847', {
        'r50': (16.0, 'maskformer_R50_bs16_200k'),
        'r101': (16.8, 'maskformer_R101_bs16_200k'),
        'r101c': (17.4, 'maskformer_R101c_bs16_200k'),
    }),
    **_rows('per_pixel', 'ade20k_full', 'semantic', 'MaskFormer/configs/ade20k-full-847', {
        'r50': (12.4, 'per_pixel_baseline_R50_bs16_200k'),
    }),
    **_rows('per_pixel_plus', 'ade20k_full', 'semantic', 'MaskFormer/configs/ade20k-full-847', {
        'r50': (13.9, 'per_pixel_baseline_plus_R50_bs16_200k'),
    }),
    **_rows('maskformer', 'cityscapes', 'semantic', 'MaskFormer/configs/cityscapes-19', {
        'r101': (78.5, 'maskformer_R101_bs16_90k'),
        'r101c': (79.7, 'maskformer_R101c_bs16_90k'),
    }),
    **_rows('maskformer', 'coco_stuff10k', 'semantic', 'MaskFormer/configs/coco-stuff-10k-171', {
        'r50': (37.1, 'maskformer_R50_bs32_60k'),
        'r101': (38.1, 'maskformer_R101_bs32_60k'),
        'r101c': (38.0, 'maskformer_R101c_bs32_60k'),
    }),
    **_rows('per_pixel', 'coco_stuff10k', 'semantic', 'MaskFormer/configs/coco-stuff-10k-171', {
        'r50': (32.4, 'per_pixel_baseline_R50_bs32_60k'),
    }),
    **_rows(
        'per_pixel_plus', 'coco_stuff10k', 'semantic',
        'MaskFormer/configs/coco-stuff-10k-171', {
            'r50': (34.2, 'per_pixel_baseline_plus_R50_bs32_60k'),
        }),
    **_rows('maskformer', 'mapillary', 'semantic', 'MaskFormer/configs/mapillary-vistas-65', {
        'r50': (53.1, 'maskformer_R50_bs16_300k'),
    }),
    **_rows(
        'mask2former', 'coco_panoptic', 'panoptic',
        'Mask2Former/configs/coco/panoptic-segmentation', {
            'r50': (51.9, 'maskformer2_R50_bs16_50ep'),
            'r101': (52.6, 'maskformer2_R101_bs16_50ep'),
            'swin_tiny': (53.2, 'swin/maskformer2_swin_tiny_bs16_50ep'),
            'swin_small': (54.6, 'swin/maskformer2_swin_small_bs16_50ep'),
            'swin_base_in1k': (55.1, 'swin/maskformer2_swin_base_384_bs16_50ep'),
            'swin_base': (56.4, 'swin/maskformer2_swin_base_IN21k_384_bs16_50ep'),
            'swin_large': (57.8, 'swin/maskformer2_swin_large_IN21k_384_bs16_100ep'),
        }),
    **_rows(
        'mask2former', 'coco_instance', 'instance',
        'Mask2Former/configs/coco/instance-segmentation', {
            'r50': (43.7, 'maskformer2_R50_bs16_50ep'),
            'r101': (44.2, 'maskformer2_R101_bs16_50ep'),
            'swin_tiny': (45.0, 'swin/maskformer2_swin_tiny_bs16_50ep'),
            'swin_small': (46.3, 'swin/maskformer2_swin_small_bs16_50ep'),
            'swin_base_in1k': (46.7, 'swin/maskformer2_swin_base_384_bs16_50ep'),
            'swin_base': (48.1, 'swin/maskformer2_swin_base_IN21k_384_bs16_50ep'),
            'swin_large': (50.1, 'swin/maskformer2_swin_large_IN21k_384_bs16_100ep'),
        }),
    **_rows(
        'mask2former', 'ade20k', 'panoptic',
        'Mask2Former/configs/ade20k/panoptic-segmentation', {
            'r50': (39.7, 'maskformer2_R50_bs16_160k'),
            'swin_large': (48.1, 'swin/maskformer2_swin_large_IN21k_384_bs16_160k'),
        }),
    **_rows(
        'mask2former', 'ade20k_instance', 'instance',
        'Mask2Former/configs/ade20k/instance-segmentation', {
            'r50': (26.4, 'maskformer2_R50_bs16_160k'),
            'swin_large': (34.9, 'swin/maskformer2_swin_large_IN21k_384_bs16_160k'),
        }),
    **_rows(
        'mask2former', 'ade20k', 'semantic',
        'Mask2Former/configs/ade20k/semantic-segmentation', {
            'r50': (47.2, 'maskformer2_R50_bs16_160k'),
            'r101': (47.8, 'maskformer2_R101_bs16_90k'),
            'swin_tiny': (47.7, 'swin/maskformer2_swin_tiny_bs16_160k'),
            'swin_small': (51.3, 'swin/maskformer2_swin_small_bs16_160k'),
            'swin_base_in1k': (52.4, 'swin/maskformer2_swin_base_384_bs16_160k_res640'),
            'swin_base': (53.9, 'swin/maskformer2_swin_base_IN21k_384_bs16_160k_res640'),
            'swin_large': (56.1, 'swin/maskformer2_swin_large_IN21k_384_bs16_160k_res640'),
        }),
    **_rows(
        'mask2former', 'cityscapes', 'panoptic',
        'Mask2Former/configs/cityscapes/panoptic-segmentation', {
            'r50': (62.1, 'maskformer2_R50_bs16_90k'),
            'r101': (62.4, 'maskformer2_R101_bs16_90k'),
            'swin_tiny': (63.9, 'swin/maskformer2_swin_tiny_bs16_90k'),
            'swin_small': (64.8, 'swin/maskformer2_swin_small_bs16_90k'),
            'swin_base': (66.1, 'swin/maskformer2_swin_base_IN21k_384_bs16_90k'),
            'swin_large': (66.6, 'swin/maskformer2_swin_large_IN21k_384_bs16_90k'),
        }),
    **_rows(
        'mask2former', 'cityscapes_instance', 'instance',
        'Mask2Former/configs/cityscapes/instance-segmentation', {
            'r50': (37.4, 'maskformer2_R50_bs16_90k'),
            'r101': (38.5, 'maskformer2_R101_bs16_90k'),
            'swin_tiny': (39.7, 'swin/maskformer2_swin_tiny_bs16_90k'),
            'swin_small': (41.8, 'swin/maskformer2_swin_small_bs16_90k'),
            'swin_base': (42.0, 'swin/maskformer2_swin_base_IN21k_384_bs16_90k'),
            'swin_large': (43.7, 'swin/maskformer2_swin_large_IN21k_384_bs16_90k'),
        }),
    **_rows(
        'mask2former', 'cityscapes', 'semantic',
        'Mask2Former/configs/cityscapes/semantic-segmentation', {
            'r50': (79.4, 'maskformer2_R50_bs16_90k'),
            'r101': (80.1, 'maskformer2_R101_bs16_90k'),
            'swin_tiny': (82.1, 'swin/maskformer2_swin_tiny_bs16_90k'),
            'swin_small': (82.6, 'swin/maskformer2_swin_small_bs16_90k'),
            'swin_base': (83.3, 'swin/maskformer2_swin_base_IN21k_384_bs16_90k'),
            'swin_large': (83.3, 'swin/maskformer2_swin_large_IN21k_384_bs16_90k'),
        }),
    **_rows(
        'mask2former', 'mapillary', 'panoptic',
        'Mask2Former/configs/mapillary-vistas/panoptic-segmentation', {
            'r50': (36.3, 'maskformer_R50_bs16_300k'),
            'swin_large': (45.5, 'swin/maskformer2_swin_large_IN21k_384_bs16_300k'),
        }),
    **_rows(
        'mask2former', 'mapillary', 'semantic',
        'Mask2Former/configs/mapillary-vistas/semantic-segmentation', {
            'r50': (57.4, 'maskformer2_R50_bs16_300k'),
            'swin_large': (63.2, 'swin/maskformer2_swin_large_IN21k_384_bs16_300k'),
        }),
}
SMALL = 'small'  # the thin network of the experiments on the embedded data set
_CUSTOM_BACKBONES = ('r50', 'r101', 'swin_tiny', 'swin_small', 'swin_base', 'swin_large', SMALL)
CUSTOM: dict[str, Row] = {
    _name(model, 'custom', task, backbone): Row(
        model, '', task, backbone, 0, 0, None, 'your data, see docs/data.md')
    for model in ('maskformer', 'mask2former')
    for task in _METRICS
    for backbone in _CUSTOM_BACKBONES}
_EMBEDDED = 'embedded data set, see docs'
ROWS: dict[str, Row] = PUBLISHED | {
    'maskformer_shapes_panoptic': Row(
        'maskformer', 'shapes_panoptic', 'panoptic', 'r14 (thin)', 16, 2000, None, _EMBEDDED),
    'mask2former_shapes_panoptic': Row(
        'mask2former', 'shapes_panoptic', 'panoptic', 'r14 (thin)', 16, 1500, None, _EMBEDDED),
} | CUSTOM


def recipe(name: str) -> Recipe:
  """Returns the recipe of a published experiment, its exceptions applied."""
  row = PUBLISHED[name]
  return recipes.get(name, row.model, row.data_set, row.task)
