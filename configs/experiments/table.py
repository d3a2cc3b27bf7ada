"""The registered experiments as plain data, readable without TensorFlow.

An experiment is a model on a data set for a task with a backbone; what it shares with others stands in `RECIPES`
(by data set and task) and `BACKBONES`. Numbers are those of the official configurations, scores those of the
official model zoo (PQ, or single-scale mIoU).
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
  """What a data set and a task share; sizes in pixels.

  Attributes:
    pictures: a step.
    steps: to train.
    short_edges: one is drawn in training.
    long_edge_limit: in training.
    crop: (height, width) of the training window; none: DETR's crop instead.
    padded: whether smaller pictures are padded to the crop with grey (byte 128) before the normalisation.
    test_edges: short edge and limit of the long one in validation.
    size_divisibility: batches are padded to a multiple of it; the per-pixel models' are not.
    boundaries: steps at which the rate falls tenfold; none: poly schedule.
    thresholds: object mask and overlap threshold of panoptic inference.
    validation_interval: steps; 0: at the end only.
  """
  pictures: int
  steps: int
  short_edges: tuple[int, ...]
  long_edge_limit: int
  test_edges: tuple[int, int]
  crop: tuple[int, int] = ()
  padded: bool = True
  size_divisibility: int = 32
  boundaries: tuple[int, ...] = ()
  thresholds: tuple[float, float] = ()
  validation_interval: int = 5000


_DETR = (480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800)
# Half to twice the size in 16 steps, as the official configurations truncate them.
_AROUND_512 = (256, 307, 358, 409, 460, 512, 563, 614, 665, 716, 768, 819, 870, 921, 972, 1024)
_AROUND_640 = tuple(range(320, 1281, 64))
_AROUND_1024 = (512, 614, 716, 819, 921, 1024, 1126, 1228, 1331, 1433, 1536, 1638, 1740, 1843, 1945, 2048)
_AROUND_2048 = (1024, 1228, 1433, 1638, 1843, 2048, 2252, 2457, 2662, 2867, 3072, 3276, 3481, 3686, 3891, 4096)

RECIPES = {
    ('coco_panoptic', 'panoptic'): Recipe(
        64, 554400, _DETR, 1333, (800, 1333), size_divisibility=0, boundaries=(369600,), thresholds=(0.8, 0.8),
        validation_interval=0),
    ('ade20k', 'panoptic'): Recipe(
        16, 720000, _AROUND_640, 2560, (640, 2560), (640, 640), thresholds=(0.7, 0.8), validation_interval=0),
    ('ade20k', 'semantic'): Recipe(16, 160000, _AROUND_512, 2048, (512, 2048), (512, 512)),
    ('ade20k_full', 'semantic'): Recipe(16, 200000, _AROUND_512, 2048, (512, 2048), (512, 512)),
    ('cityscapes', 'semantic'): Recipe(16, 90000, _AROUND_1024, 4096, (1024, 2048), (512, 1024), padded=False),
    ('coco_stuff10k', 'semantic'): Recipe(32, 60000, tuple(range(320, 961, 64)), 2560, (640, 2560), (640, 640)),
    ('mapillary', 'semantic'): Recipe(16, 300000, _AROUND_2048, 8192, (2048, 2048), (1280, 1280)),
}

# What single experiments change in their recipe.
_LARGE_CROP = dict(short_edges=_AROUND_640, long_edge_limit=2560, crop=(640, 640), test_edges=(640, 2560))
EXCEPTIONS = {
    'maskformer_ade20k_semantic_swin_base': _LARGE_CROP,
    'maskformer_ade20k_semantic_swin_large': _LARGE_CROP,
    'maskformer_coco_panoptic_swin_large': dict(long_edge_limit=1000),
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
    'swin_large': ('swin', dict(_SWIN, embed_dim=192, heads=[6, 12, 24, 48], window=12)),
}


@dataclasses.dataclass(frozen=True)
class Row:
  """One experiment.

  Attributes:
    model: 'maskformer', 'per_pixel' or 'per_pixel_plus'.
    data_set: row of configs/datasets.py.
    task: 'panoptic' or 'semantic'.
    backbone: key of `BACKBONES`, or words for what is none of them.
    schedule: pictures a step x steps.
    expected: published score.
    source: the official configuration.
  """
  model: str
  data_set: str
  task: str
  backbone: str
  schedule: str
  expected: str
  source: str


def _published() -> dict[str, Row]:
  rows = {}

  def add(data_set: str, task: str, folder: str, file: str, metric: str, **scores: float) -> None:
    """Adds a row for each backbone, named in `scores`; `file` holds the place of the backbone's name."""
    data = data_set.removesuffix('_panoptic')
    for key, score in scores.items():
      model, backbone = 'maskformer', key
      if key.startswith('per_pixel'):
        model, backbone = key, 'r50'
      suffix = '' if backbone == 'r50' else f'_{backbone}'
      name = f'{model}_{data}_{task}{suffix}'
      recipe = dataclasses.replace(RECIPES[data_set, task], **EXCEPTIONS.get(name, {}))
      path = f'{folder}/{_file(model, file, backbone, recipe.crop)}'
      rows[name] = Row(model, data_set, task, backbone, f'{recipe.pictures} x {recipe.steps}',
                       f'{metric} {score}', f'MaskFormer/configs/{path}.yaml')

  add('coco_panoptic', 'panoptic', 'coco-panoptic', 'maskformer_panoptic_{}_bs64_554k', 'PQ',
      r50=46.5, r101=47.6, swin_tiny=47.7, swin_small=49.7, swin_base=51.8, swin_large=52.7)
  add('ade20k', 'panoptic', 'ade20k-150-panoptic', 'maskformer_panoptic_{}_bs16_720k', 'PQ', r50=34.7, r101=35.7)
  add('ade20k', 'semantic', 'ade20k-150', 'maskformer_{}_bs16_160k', 'mIoU',
      r50=44.5, r101=45.5, r101c=46.0, swin_tiny=46.7, swin_small=49.8, swin_base=52.7, swin_large=54.1,
      per_pixel=39.2, per_pixel_plus=41.9)
  add('ade20k_full', 'semantic', 'ade20k-full-847', 'maskformer_{}_bs16_200k', 'mIoU',
      r50=16.0, r101=16.8, r101c=17.4, per_pixel=12.4, per_pixel_plus=13.9)
  add('cityscapes', 'semantic', 'cityscapes-19', 'maskformer_{}_bs16_90k', 'mIoU', r101=78.5, r101c=79.7)
  add('coco_stuff10k', 'semantic', 'coco-stuff-10k-171', 'maskformer_{}_bs32_60k', 'mIoU',
      r50=37.1, r101=38.1, r101c=38.0, per_pixel=32.4, per_pixel_plus=34.2)
  add('mapillary', 'semantic', 'mapillary-vistas-65', 'maskformer_{}_bs16_300k', 'mIoU', r50=53.1)
  return rows


def _file(model: str, file: str, backbone: str, crop: tuple[int, ...]) -> str:
  """Returns the official file's name, without its ending."""
  if backbone.startswith('swin'):
    place = backbone + ('_IN21k_384' if backbone in ('swin_base', 'swin_large') else '')
    return 'swin/' + file.format(place) + ('_res640' if crop and place != backbone else '')
  name = {'per_pixel': 'per_pixel_baseline', 'per_pixel_plus': 'per_pixel_baseline_plus'}.get(model, 'maskformer')
  return file.format(backbone.upper().replace('C', 'c')).replace('maskformer', name)


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
  return dataclasses.replace(RECIPES[row.data_set, row.task], **EXCEPTIONS.get(name, {}))
