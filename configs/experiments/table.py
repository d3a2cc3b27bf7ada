"""The registered experiments as plain data, readable without TensorFlow.

An experiment is a model on a data set for a task with a backbone; what it shares with others stands in `RECIPES`
(by data set and task) and `BACKBONES`. Numbers are those of the official configurations, scores those of the
official model zoos (PQ, single-scale mIoU, or AP of masks).
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
  """What a data set and a task share; sizes in pixels.

  Attributes:
    images: a step.
    steps: to train.
    short_edges: one is drawn in training.
    long_edge_limit: in training.
    crop: (height, width) of the training window; none: DETR's crop instead.
    jitter: range of the scale jitter, as a share of the crop, instead of short_edges.
    padded: whether smaller images are padded to the crop with gray (byte 128) before the normalization.
    test_edges: short edge and limit of the long one in validation.
    size_divisibility: batches are padded to a multiple of it; the per-pixel models' are not.
    boundaries: steps at which the rate falls tenfold; none: poly schedule.
    queries: of the transformer decoder.
    norm: of a ResNet.
    thresholds: object mask and overlap threshold of panoptic inference.
    scores: what is evaluated, of 'panoptic', 'semantic' and 'instance'.
    validation_interval: steps; 0: at the end only.
    images_per_gpu: of the official training; the class loss is a mean over so many, and no more were padded together.
    max_segments: slots for the targets of an image; the official recipes have no limit. 255 is the most that id maps of
      bytes hold; semantic tasks, with one target per class, never come near 128.
  """
  images: int
  steps: int
  short_edges: tuple[int, ...]
  long_edge_limit: int
  test_edges: tuple[int, int]
  crop: tuple[int, int] = ()
  jitter: tuple[float, float] = ()
  padded: bool = True
  size_divisibility: int = 32
  boundaries: tuple[int, ...] = ()
  queries: int = 100
  norm: str = 'frozen'
  thresholds: tuple[float, float] = ()
  scores: tuple[str, ...] = ()
  validation_interval: int = 5000
  images_per_gpu: int = 2
  max_segments: int = 128


_DETR = (480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800)
# Half to twice the size in 16 steps, as the official configurations truncate them.
_AROUND_512 = (256, 307, 358, 409, 460, 512, 563, 614, 665, 716, 768, 819, 870, 921, 972, 1024)
_AROUND_640 = tuple(range(320, 1281, 64))
_AROUND_1024 = (512, 614, 716, 819, 921, 1024, 1126, 1228, 1331, 1433, 1536, 1638, 1740, 1843, 1945, 2048)
_AROUND_2048 = (1024, 1228, 1433, 1638, 1843, 2048, 2252, 2457, 2662, 2867, 3072, 3276, 3481, 3686, 3891, 4096)

_MASKFORMER = {
    ('coco_panoptic', 'panoptic'): Recipe(
        64, 554400, _DETR, 1333, (800, 1333), size_divisibility=0, boundaries=(369600,), thresholds=(0.8, 0.8),
        scores=('panoptic',), validation_interval=0, images_per_gpu=1),
    ('ade20k', 'panoptic'): Recipe(
        16, 720000, _AROUND_640, 2560, (640, 2560), (640, 640), thresholds=(0.7, 0.8),
        scores=('panoptic', 'semantic'), validation_interval=0, max_segments=255),
    ('ade20k', 'semantic'): Recipe(
        16, 160000, _AROUND_512, 2048, (512, 2048), (512, 512), scores=('semantic',)),
    ('ade20k_full', 'semantic'): Recipe(
        16, 200000, _AROUND_512, 2048, (512, 2048), (512, 512), scores=('semantic',)),
    ('cityscapes', 'semantic'): Recipe(
        16, 90000, _AROUND_1024, 4096, (1024, 2048), (512, 1024), padded=False, scores=('semantic',)),
    ('coco_stuff10k', 'semantic'): Recipe(
        32, 60000, tuple(range(320, 961, 64)), 2560, (640, 2560), (640, 640), scores=('semantic',),
        images_per_gpu=4),
    ('mapillary', 'semantic'): Recipe(
        16, 300000, _AROUND_2048, 8192, (2048, 2048), (1280, 1280), scores=('semantic',)),
}

_ALL = ('panoptic', 'semantic', 'instance')
_JITTERED = Recipe(
    16, 368750, (), 0, (800, 1333), (1024, 1024), jitter=(0.1, 2.0), boundaries=(327778, 355092), thresholds=(0.8, 0.8))
_ADE20K = Recipe(
    16, 160000, _AROUND_640, 2560, (640, 2560), (640, 640), thresholds=(0.8, 0.8), max_segments=255)
_CITYSCAPES = Recipe(
    16, 90000, _AROUND_1024, 4096, (1024, 2048), (512, 1024), padded=False, norm='sync', thresholds=(0.8, 0.8))
_MAPILLARY = Recipe(16, 300000, _AROUND_2048, 8192, (2048, 2048), (1024, 1024), thresholds=(0.0, 0.8))
_MASK2FORMER = {
    ('coco_panoptic', 'panoptic'): dataclasses.replace(_JITTERED, scores=_ALL),
    ('coco_instance', 'instance'): dataclasses.replace(_JITTERED, scores=('instance',)),
    ('ade20k', 'panoptic'): dataclasses.replace(_ADE20K, scores=_ALL),
    ('ade20k_instance', 'instance'): dataclasses.replace(_ADE20K, scores=('instance',)),
    ('ade20k', 'semantic'): _MASKFORMER['ade20k', 'semantic'],
    ('cityscapes', 'panoptic'): dataclasses.replace(_CITYSCAPES, scores=_ALL),
    ('cityscapes_instance', 'instance'): dataclasses.replace(_CITYSCAPES, scores=('instance',)),
    ('cityscapes', 'semantic'): dataclasses.replace(_CITYSCAPES, scores=('semantic',)),
    ('mapillary', 'panoptic'): dataclasses.replace(
        _MAPILLARY, scores=('panoptic', 'semantic'), validation_interval=0, max_segments=255),
    ('mapillary', 'semantic'): dataclasses.replace(_MAPILLARY, scores=('semantic',), validation_interval=0),
}
RECIPES = {'maskformer': _MASKFORMER, 'per_pixel': _MASKFORMER, 'per_pixel_plus': _MASKFORMER,
           'mask2former': _MASK2FORMER}

# What single experiments change in their recipe.
_LARGE_CROP = dict(short_edges=_AROUND_640, long_edge_limit=2560, crop=(640, 640), test_edges=(640, 2560))
_LONG = dict(queries=200, steps=737500, boundaries=(655556, 710184), images_per_gpu=1)
EXCEPTIONS = {
    'maskformer_ade20k_semantic_swin_base': _LARGE_CROP,
    'maskformer_ade20k_semantic_swin_large': _LARGE_CROP,
    'maskformer_coco_panoptic_swin_large': dict(long_edge_limit=1000),
    'mask2former_ade20k_semantic_r101': dict(norm='sync'),
    'mask2former_ade20k_semantic_swin_base': _LARGE_CROP,
    'mask2former_ade20k_semantic_swin_base_in1k': _LARGE_CROP,
    'mask2former_ade20k_semantic_swin_large': dict(_LARGE_CROP, images_per_gpu=1),
    'mask2former_coco_panoptic_swin_large': _LONG,
    'mask2former_coco_instance_swin_large': _LONG,
    **{f'mask2former_{data_and_task}_swin_large': dict(queries=200, images_per_gpu=1) for data_and_task in (
        'ade20k_panoptic', 'ade20k_instance', 'cityscapes_panoptic', 'cityscapes_instance', 'mapillary_panoptic')},
    'mask2former_cityscapes_semantic_swin_large': dict(images_per_gpu=1),
    'mask2former_mapillary_semantic_swin_large': dict(images_per_gpu=1),
}

# Options of configs/backbones.py, by kind of backbone.
_SWIN = dict(depths=[2, 2, 18, 2], window=7)
BACKBONES = {
    'r50': ('resnet', dict(depth=50)),
    'r101': ('resnet', dict(depth=101)),
    'r101c': ('resnet', dict(depth=101, stem_type='deeplab', stem_channels=128, res5_multi_grid=[1, 2, 4])),
    'swin_tiny': ('swin', dict(_SWIN, embed_dim=96, heads=[3, 6, 12, 24], depths=[2, 2, 6, 2])),
    'swin_small': ('swin', dict(_SWIN, embed_dim=96, heads=[3, 6, 12, 24])),
    'swin_base': ('swin', dict(_SWIN, embed_dim=128, heads=[4, 8, 16, 32], window=12)),
    'swin_base_in1k': ('swin', dict(_SWIN, embed_dim=128, heads=[4, 8, 16, 32], window=12)),  # other start weights
    'swin_large': ('swin', dict(_SWIN, embed_dim=192, heads=[6, 12, 24, 48], window=12)),
}


@dataclasses.dataclass(frozen=True)
class Row:
  """One experiment.

  Attributes:
    model: 'maskformer', 'mask2former', 'per_pixel' or 'per_pixel_plus'.
    data_set: row of configs/datasets/catalog.py.
    task: 'panoptic', 'semantic' or 'instance'.
    backbone: key of `BACKBONES`, or words for what is none of them.
    schedule: images a step x steps.
    expected: published score.
    source: the official configuration.
    precision: of the official training; here every row trains in float32 unless `runtime.mixed_precision_dtype` says
      otherwise.
  """
  model: str
  data_set: str
  task: str
  backbone: str
  schedule: str
  expected: str
  source: str
  precision: str = 'float32'


def _name(model: str, data_set: str, task: str, backbone: str) -> str:
  data = data_set.removesuffix('_panoptic').removesuffix('_instance')
  return f'{model}_{data}_{task}' + ('' if backbone == 'r50' else f'_{backbone}')


def _rows(model: str, data_set: str, task: str, file: str, **scores: float) -> dict[str, Row]:
  """Returns a row for each backbone in `scores`; `file` is the official one, with {} where the backbone's name is."""
  rows, metric = {}, {'panoptic': 'PQ', 'semantic': 'mIoU', 'instance': 'AP'}[task]
  for key, score in scores.items():
    of_model, backbone = (key, 'r50') if key.startswith('per_pixel') else (model, key)
    name = _name(of_model, data_set, task, backbone)
    recipe = dataclasses.replace(RECIPES[of_model][data_set, task], **EXCEPTIONS.get(name, {}))
    path = _FILES.get(name) or _file(of_model, file, backbone, recipe)
    rows[name] = Row(of_model, data_set, task, backbone, f'{recipe.images} x {recipe.steps}',
                     f'{metric} {score}', f'{path}.yaml', _PRECISION.get(of_model, 'float32'))
  return rows


# Of the official training, where it is not float32.
_PRECISION = {'mask2former': 'float16 AMP'}

# Official files whose names follow no rule.
_FILES = {
    'mask2former_ade20k_semantic_r101':
        'Mask2Former/configs/ade20k/semantic-segmentation/maskformer2_R101_bs16_90k',
    'mask2former_mapillary_panoptic':
        'Mask2Former/configs/mapillary-vistas/panoptic-segmentation/maskformer_R50_bs16_300k',
}
_SWIN_FILES = {'swin_base': 'swin_base_IN21k_384', 'swin_large': 'swin_large_IN21k_384',
               'swin_base_in1k': 'swin_base_384'}


def _file(model: str, file: str, backbone: str, recipe: Recipe) -> str:
  """Returns the official file's path, without its ending."""
  folder, _, file = file.rpartition('/')
  large_crop = recipe.crop == (640, 640) and recipe.scores == ('semantic',) and backbone in _SWIN_FILES
  if backbone.startswith('swin'):
    file = 'swin/' + file.format(_SWIN_FILES.get(backbone, backbone)) + ('_res640' if large_crop else '')
  else:
    file = file.format(backbone.upper().replace('C', 'c'))
  if recipe.steps == 737500:
    file = file.replace('50ep', '100ep')
  name = {'per_pixel': 'per_pixel_baseline', 'per_pixel_plus': 'per_pixel_baseline_plus'}.get(model, 'maskformer')
  return f'{folder}/{file.replace("maskformer_", name + "_")}'


def _published() -> dict[str, Row]:
  first, second = 'MaskFormer/configs', 'Mask2Former/configs'
  panoptic, semantic, instance = 'panoptic-segmentation', 'semantic-segmentation', 'instance-segmentation'
  m, m2, m2_file = 'maskformer', 'mask2former', 'maskformer2_{}_bs16'
  return {
      **_rows(m, 'coco_panoptic', 'panoptic', f'{first}/coco-panoptic/maskformer_panoptic_{{}}_bs64_554k',
              r50=46.5, r101=47.6, swin_tiny=47.7, swin_small=49.7, swin_base=51.8, swin_large=52.7),
      **_rows(m, 'ade20k', 'panoptic', f'{first}/ade20k-150-panoptic/maskformer_panoptic_{{}}_bs16_720k',
              r50=34.7, r101=35.7),
      **_rows(m, 'ade20k', 'semantic', f'{first}/ade20k-150/maskformer_{{}}_bs16_160k',
              r50=44.5, r101=45.5, r101c=46.0, swin_tiny=46.7, swin_small=49.8, swin_base=52.7, swin_large=54.1,
              per_pixel=39.2, per_pixel_plus=41.9),
      **_rows(m, 'ade20k_full', 'semantic', f'{first}/ade20k-full-847/maskformer_{{}}_bs16_200k',
              r50=16.0, r101=16.8, r101c=17.4, per_pixel=12.4, per_pixel_plus=13.9),
      **_rows(m, 'cityscapes', 'semantic', f'{first}/cityscapes-19/maskformer_{{}}_bs16_90k', r101=78.5, r101c=79.7),
      **_rows(m, 'coco_stuff10k', 'semantic', f'{first}/coco-stuff-10k-171/maskformer_{{}}_bs32_60k',
              r50=37.1, r101=38.1, r101c=38.0, per_pixel=32.4, per_pixel_plus=34.2),
      **_rows(m, 'mapillary', 'semantic', f'{first}/mapillary-vistas-65/maskformer_{{}}_bs16_300k', r50=53.1),
      **_rows(m2, 'coco_panoptic', 'panoptic', f'{second}/coco/{panoptic}/{m2_file}_50ep',
              r50=51.9, r101=52.6, swin_tiny=53.2, swin_small=54.6, swin_base_in1k=55.1, swin_base=56.4,
              swin_large=57.8),
      **_rows(m2, 'coco_instance', 'instance', f'{second}/coco/{instance}/{m2_file}_50ep',
              r50=43.7, r101=44.2, swin_tiny=45.0, swin_small=46.3, swin_base_in1k=46.7, swin_base=48.1,
              swin_large=50.1),
      **_rows(m2, 'ade20k', 'panoptic', f'{second}/ade20k/{panoptic}/{m2_file}_160k', r50=39.7, swin_large=48.1),
      **_rows(m2, 'ade20k_instance', 'instance', f'{second}/ade20k/{instance}/{m2_file}_160k',
              r50=26.4, swin_large=34.9),
      **_rows(m2, 'ade20k', 'semantic', f'{second}/ade20k/{semantic}/{m2_file}_160k',
              r50=47.2, r101=47.8, swin_tiny=47.7, swin_small=51.3, swin_base_in1k=52.4, swin_base=53.9,
              swin_large=56.1),
      **_rows(m2, 'cityscapes', 'panoptic', f'{second}/cityscapes/{panoptic}/{m2_file}_90k',
              r50=62.1, r101=62.4, swin_tiny=63.9, swin_small=64.8, swin_base=66.1, swin_large=66.6),
      **_rows(m2, 'cityscapes_instance', 'instance', f'{second}/cityscapes/{instance}/{m2_file}_90k',
              r50=37.4, r101=38.5, swin_tiny=39.7, swin_small=41.8, swin_base=42.0, swin_large=43.7),
      **_rows(m2, 'cityscapes', 'semantic', f'{second}/cityscapes/{semantic}/{m2_file}_90k',
              r50=79.4, r101=80.1, swin_tiny=82.1, swin_small=82.6, swin_base=83.3, swin_large=83.3),
      **_rows(m2, 'mapillary', 'panoptic', f'{second}/mapillary-vistas/{panoptic}/{m2_file}_300k',
              r50=36.3, swin_large=45.5),
      **_rows(m2, 'mapillary', 'semantic', f'{second}/mapillary-vistas/{semantic}/{m2_file}_300k',
              r50=57.4, swin_large=63.2),
  }


PUBLISHED = _published()
ROWS = PUBLISHED | {
    'maskformer_shapes_panoptic': Row(
        'maskformer', 'shapes_panoptic', 'panoptic', 'r14 (thin)', '16 x 2000', '', 'embedded data set, see docs'),
    'mask2former_shapes_panoptic': Row(
        'mask2former', 'shapes_panoptic', 'panoptic', 'r14 (thin)', '16 x 1500', '', 'embedded data set, see docs'),
}


def recipe(name: str) -> Recipe:
  """Returns the recipe of a published experiment, its exceptions applied."""
  row = PUBLISHED[name]
  return dataclasses.replace(RECIPES[row.model][row.data_set, row.task], **EXCEPTIONS.get(name, {}))
