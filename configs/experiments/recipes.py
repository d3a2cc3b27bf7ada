"""What published experiments share: a recipe per model, data set and task.

Numbers are those of the official configurations. Imports no TensorFlow.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
  """What the experiments of a model on a data set and task share; sizes in pixels.

  Attributes:
    images: per step, over all replicas.
    steps: of the training.
    short_edges: one is sampled per training image.
    long_edge_limit: in training.
    test_edges: short edge and limit of the long one in validation.
    crop: (height, width) of the training window; empty: DETR's crop instead.
    jitter: range of the scale jitter, as a share of the crop, instead of short_edges.
    padded: whether smaller images are padded to the crop with gray (byte 128) before the
      normalization.
    size_divisibility: batches are padded to a multiple of it; those of per-pixel models are not.
    boundaries: steps at which the rate falls tenfold; empty: poly schedule.
    queries: of the transformer decoder.
    norm: of a ResNet.
    thresholds: object mask and overlap threshold of panoptic inference.
    scores: what is evaluated, of 'panoptic', 'semantic' and 'instance'.
    validation_interval: steps; 0: at the end only.
    images_per_gpu: of the official training; the class loss is a mean over this many images, and no
      more were padded together.
    max_segments: slots for the targets of an image; the official recipes have no limit. 255 is the
      most that id maps of bytes hold; semantic tasks, with one target per class, never come near
      128.
  """
  images: int
  steps: int
  short_edges: tuple[int, ...]
  long_edge_limit: int
  test_edges: tuple[int, int]
  crop: tuple[int, ...] = ()
  jitter: tuple[float, ...] = ()
  padded: bool = True
  size_divisibility: int = 32
  boundaries: tuple[int, ...] = ()
  queries: int = 100
  norm: str = 'frozen'
  thresholds: tuple[float, ...] = ()
  scores: tuple[str, ...] = ()
  validation_interval: int = 5000
  images_per_gpu: int = 2
  max_segments: int = 128


_DETR = (480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800)
# Half to twice the size in 16 steps, as the official configurations truncate them.
_AROUND_512 = (
    256, 307, 358, 409, 460, 512, 563, 614, 665, 716, 768, 819, 870, 921, 972, 1024)
_AROUND_640 = tuple(range(320, 1281, 64))
_AROUND_1024 = (
    512, 614, 716, 819, 921, 1024, 1126, 1228, 1331, 1433, 1536, 1638, 1740, 1843, 1945, 2048)
_AROUND_2048 = (
    1024, 1228, 1433, 1638, 1843, 2048, 2252, 2457, 2662, 2867, 3072, 3276, 3481, 3686, 3891, 4096)
_TO_960 = tuple(range(320, 961, 64))

_MASKFORMER = {
    ('coco_panoptic', 'panoptic'): Recipe(
        images=64, steps=554400, boundaries=(369600,), images_per_gpu=1,
        short_edges=_DETR, long_edge_limit=1333, test_edges=(800, 1333), size_divisibility=0,
        thresholds=(0.8, 0.8), scores=('panoptic',), validation_interval=0),
    ('ade20k', 'panoptic'): Recipe(
        images=16, steps=720000,
        short_edges=_AROUND_640, long_edge_limit=2560, test_edges=(640, 2560), crop=(640, 640),
        thresholds=(0.7, 0.8), scores=('panoptic', 'semantic'), validation_interval=0,
        max_segments=255),
    ('ade20k', 'semantic'): Recipe(
        images=16, steps=160000,
        short_edges=_AROUND_512, long_edge_limit=2048, test_edges=(512, 2048), crop=(512, 512),
        scores=('semantic',)),
    ('ade20k_full', 'semantic'): Recipe(
        images=16, steps=200000,
        short_edges=_AROUND_512, long_edge_limit=2048, test_edges=(512, 2048), crop=(512, 512),
        scores=('semantic',)),
    ('cityscapes', 'semantic'): Recipe(
        images=16, steps=90000,
        short_edges=_AROUND_1024, long_edge_limit=4096, test_edges=(1024, 2048), crop=(512, 1024),
        padded=False, scores=('semantic',)),
    ('coco_stuff10k', 'semantic'): Recipe(
        images=32, steps=60000, images_per_gpu=4,
        short_edges=_TO_960, long_edge_limit=2560, test_edges=(640, 2560), crop=(640, 640),
        scores=('semantic',)),
    ('mapillary', 'semantic'): Recipe(
        images=16, steps=300000,
        short_edges=_AROUND_2048, long_edge_limit=8192, test_edges=(2048, 2048), crop=(1280, 1280),
        scores=('semantic',)),
}

_ALL = ('panoptic', 'semantic', 'instance')
_COCO = Recipe(
    images=16, steps=368750, boundaries=(327778, 355092),
    short_edges=(), long_edge_limit=0, test_edges=(800, 1333), crop=(1024, 1024),
    jitter=(0.1, 2.0), thresholds=(0.8, 0.8))
_ADE20K = Recipe(
    images=16, steps=160000,
    short_edges=_AROUND_640, long_edge_limit=2560, test_edges=(640, 2560), crop=(640, 640),
    thresholds=(0.8, 0.8), max_segments=255)
_CITYSCAPES = Recipe(
    images=16, steps=90000, norm='sync',
    short_edges=_AROUND_1024, long_edge_limit=4096, test_edges=(1024, 2048), crop=(512, 1024),
    padded=False, thresholds=(0.8, 0.8))
_MAPILLARY = Recipe(
    images=16, steps=300000,
    short_edges=_AROUND_2048, long_edge_limit=8192, test_edges=(2048, 2048), crop=(1024, 1024),
    thresholds=(0.0, 0.8), validation_interval=0)
_MASK2FORMER = {
    ('coco_panoptic', 'panoptic'): dataclasses.replace(_COCO, scores=_ALL),
    ('coco_instance', 'instance'): dataclasses.replace(_COCO, scores=('instance',)),
    ('ade20k', 'panoptic'): dataclasses.replace(_ADE20K, scores=_ALL),
    ('ade20k_instance', 'instance'): dataclasses.replace(_ADE20K, scores=('instance',)),
    ('ade20k', 'semantic'): _MASKFORMER['ade20k', 'semantic'],
    ('cityscapes', 'panoptic'): dataclasses.replace(_CITYSCAPES, scores=_ALL),
    ('cityscapes_instance', 'instance'): dataclasses.replace(_CITYSCAPES, scores=('instance',)),
    ('cityscapes', 'semantic'): dataclasses.replace(_CITYSCAPES, scores=('semantic',)),
    ('mapillary', 'panoptic'): dataclasses.replace(
        _MAPILLARY, scores=('panoptic', 'semantic'), max_segments=255),
    ('mapillary', 'semantic'): dataclasses.replace(_MAPILLARY, scores=('semantic',)),
}
_RECIPES = {
    'maskformer': _MASKFORMER,
    'per_pixel': _MASKFORMER,
    'per_pixel_plus': _MASKFORMER,
    'mask2former': _MASK2FORMER,
}

# What single experiments change in their recipe.
_LARGE_CROP = {
    'short_edges': _AROUND_640, 'long_edge_limit': 2560, 'crop': (640, 640),
    'test_edges': (640, 2560)}
_LONG = {
    'queries': 200, 'steps': 737500, 'boundaries': (655556, 710184), 'images_per_gpu': 1}
_LARGE = {'queries': 200, 'images_per_gpu': 1}
_EXCEPTIONS: dict[str, dict] = {
    'maskformer_ade20k_semantic_swin_base': _LARGE_CROP,
    'maskformer_ade20k_semantic_swin_large': _LARGE_CROP,
    'maskformer_coco_panoptic_swin_large': {'long_edge_limit': 1000},
    'mask2former_coco_panoptic_swin_large': _LONG,
    'mask2former_coco_instance_swin_large': _LONG,
    'mask2former_ade20k_panoptic_swin_large': _LARGE,
    'mask2former_ade20k_instance_swin_large': _LARGE,
    'mask2former_ade20k_semantic_r101': {'norm': 'sync'},
    'mask2former_ade20k_semantic_swin_base': _LARGE_CROP,
    'mask2former_ade20k_semantic_swin_base_in1k': _LARGE_CROP,
    'mask2former_ade20k_semantic_swin_large': {**_LARGE_CROP, 'images_per_gpu': 1},
    'mask2former_cityscapes_panoptic_swin_large': _LARGE,
    'mask2former_cityscapes_instance_swin_large': _LARGE,
    'mask2former_cityscapes_semantic_swin_large': {'images_per_gpu': 1},
    'mask2former_mapillary_panoptic_swin_large': _LARGE,
    'mask2former_mapillary_semantic_swin_large': {'images_per_gpu': 1},
}


def get(name: str, model: str, data_set: str, task: str) -> Recipe:
  """Returns the recipe of a published experiment, its exceptions applied.

  Args:
    name: of the experiment.
    model: see `table.Row`, as `data_set` and `task`.
    data_set: its row in the catalog.
    task: 'panoptic', 'semantic' or 'instance'.
  """
  shared = _RECIPES[model][data_set, task]
  return dataclasses.replace(shared, **_EXCEPTIONS.get(name, {}))
