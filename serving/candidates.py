"""Which published experiments a checkpoint without a configuration may be of, by its shapes."""

import re

import numpy as np

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import table
from tf_maskformer.modeling.backbones.resnet import BLOCKS
from tf_maskformer.modeling.conversion import sources

_PREDICTOR = 'sem_seg_head.predictor.'


def candidates(path: str) -> list[str]:
  """Returns the names of the published experiments whose model has the shapes of a file's tensors.

  Family, backbone and numbers of classes and queries are compared.

  Args:
    path: see `sources.read`.

  Raises:
    UserError: the file cannot be read.
  """
  arrays = sources.read(path).arrays
  family = _family(arrays)
  found = []
  for name, row in table.PUBLISHED.items():
    if row.model == family and _fits(name, row, arrays):
      found.append(name)
  return found


def _family(arrays: dict[str, np.ndarray]) -> str | None:
  """Returns a value of `table.Row.model`; None where the file is not a complete model."""
  if _PREDICTOR + 'query_feat.weight' in arrays:
    return 'mask2former'
  if _PREDICTOR + 'class_embed.bias' in arrays:
    return 'maskformer'
  if _PREDICTOR + 'query_embed.weight' in arrays:
    return 'per_pixel_plus'
  return 'per_pixel' if _PREDICTOR + 'weight' in arrays else None


def _fits(name: str, row: table.Row, arrays: dict[str, np.ndarray]) -> bool:
  classes = catalog.get(row.data_set).num_classes
  if row.model == 'per_pixel':
    fits = _rows(arrays, 'weight') == classes
  elif row.model == 'per_pixel_plus':
    fits = _rows(arrays, 'query_embed.weight') == classes
  else:
    queries = table.recipe(name).queries
    fits = (_rows(arrays, 'class_embed.bias') == classes + 1
            and _rows(arrays, 'query_embed.weight') == queries)
  kind, options = table.BACKBONES[row.backbone]
  return fits and _backbone(arrays) == (kind, _identity(kind, options))


def _rows(arrays: dict[str, np.ndarray], name: str, prefix: str = _PREDICTOR) -> int:
  """Returns the length of an array's first axis; 0 where the array is missing or a scalar."""
  array = arrays.get(prefix + name)
  return len(array) if array is not None and array.ndim else 0


def _identity(kind: str, options: dict) -> tuple:
  """Returns what tells the backbones of a kind apart."""
  if kind == 'swin':
    return options['embed_dim'], tuple(options['depths']), options['window']
  return tuple(BLOCKS[options['depth']]), options.get('stem_type') == 'deeplab'


def _backbone(arrays: dict[str, np.ndarray]) -> tuple[str, tuple]:
  """Returns kind and identity of the backbone in a file."""
  norm = 'backbone.patch_embed.norm.weight'
  if norm in arrays:
    table_name = 'backbone.layers.0.blocks.0.attn.relative_position_bias_table'
    # The table has a row for each offset within a window: (2 window - 1)^2.
    window = (round(_rows(arrays, table_name, prefix='') ** 0.5) + 1) // 2
    depths = _counts(arrays, r'backbone\.layers\.(\d)\.blocks\.(\d+)\.norm1\.weight')
    return 'swin', (_rows(arrays, norm, prefix=''), depths, window)
  blocks = _counts(arrays, r'backbone\.res(\d)\.(\d+)\.conv1\.weight')
  return 'resnet', (blocks, 'backbone.stem.conv3.weight' in arrays)


def _counts(arrays: dict[str, np.ndarray], pattern: str) -> tuple[int, ...]:
  """Returns the number of blocks of each stage."""
  matches = [match for match in (re.fullmatch(pattern, name) for name in arrays) if match]
  stages = sorted({match[1] for match in matches})
  return tuple(sum(match[1] == stage for match in matches) for stage in stages)
