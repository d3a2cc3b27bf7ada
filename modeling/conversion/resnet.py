"""ResNets of other libraries as arrays under this project's official names.

Each function takes {name in the file: array} and returns {official name: array in the official
layout}. What the file's own preprocessing and epsilon do differently is folded into the arrays, so
that the network computes the same from this project's normalized RGB images (except for the zero
padding at the image's border, where Keras' and Model Garden's networks pad in another way).
"""

import re

import numpy as np

from tf_maskformer.modeling.layers.norms import EPSILON
from tf_maskformer.ops.image import PIXEL_MEAN
from tf_maskformer.ops.image import PIXEL_STD

_KERAS_EPSILON = 1.001e-5
# Of its 'caffe' preprocessing: BGR, without a division.
_KERAS_MEAN_RGB = np.array([123.68, 116.779, 103.939])
_MODEL_GARDEN_EPSILON = 1e-3
_NORM = {
    'gamma': 'weight', 'beta': 'bias', 'moving_mean': 'running_mean',
    'moving_variance': 'running_var'}


def _conv(kernel: np.ndarray) -> np.ndarray:
  return np.transpose(kernel, (3, 2, 0, 1))


def from_keras_applications(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Converts a ResNet `.h5` of Keras Applications, for a ResNet with stride_in_1x1.

  Args:
    arrays: keys like 'conv2_block1_1_conv/kernel'.

  Returns:
    float32 arrays.

  Raises:
    ValueError: a layer is incomplete or has arrays of other shapes than a ResNet's.
  """
  names = {'conv1_conv': 'stem.conv1'}
  for name in {key.split('/')[0] for key in arrays}:
    match = re.fullmatch(r'conv([2-5])_block([1-9]\d?)_([0-3])_conv', name, re.ASCII)
    if match:
      stage, block, index = match.groups()
      part = 'shortcut' if index == '0' else f'conv{index}'
      names[name] = f'res{stage}.{int(block) - 1}.{part}'
  result = {}
  for source, target in names.items():
    kernel, bias, values = _keras_layer(arrays, source)
    if source == 'conv1_conv':
      if kernel.shape[2] != 3:
        raise ValueError(f'{source} reads {kernel.shape[2]} channels')
      kernel = kernel[:, :, ::-1]  # the file reads BGR
      bias = bias + np.tensordot(np.asarray(PIXEL_MEAN) - _KERAS_MEAN_RGB, kernel.sum((0, 1)), 1)
      kernel = kernel * np.asarray(PIXEL_STD)[:, None]
    values['running_mean'] = values['running_mean'] - bias
    values['running_var'] = values['running_var'] + (_KERAS_EPSILON - EPSILON)
    result[f'backbone.{target}.weight'] = _conv(kernel).astype(np.float32)
    for k, v in values.items():
      result[f'backbone.{target}.norm.{k}'] = v.astype(np.float32)
  return result


def _keras_layer(
    arrays: dict[str, np.ndarray],
    layer: str) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
  """Returns float64 kernel, bias and the parameters of the norm after a convolution."""
  norm = 'conv1_bn' if layer == 'conv1_conv' else layer.replace('_conv', '_bn')
  kernel = _of_rank(arrays, f'{layer}/kernel', 4)
  bias = _of_rank(arrays, f'{layer}/bias', 1)
  values = {ours: _of_rank(arrays, f'{norm}/{theirs}', 1) for theirs, ours in _NORM.items()}
  if {len(v) for v in (bias, *values.values())} != {kernel.shape[3]}:
    raise ValueError(f'{layer} and {norm} disagree about the number of channels')
  return kernel, bias, values


def _of_rank(arrays: dict[str, np.ndarray], name: str, rank: int) -> np.ndarray:
  if name not in arrays:
    raise ValueError(f'{name} is missing')
  if arrays[name].ndim != rank:
    raise ValueError(f'{name} has shape {list(arrays[name].shape)}')
  return arrays[name].astype(np.float64)


def from_model_garden(
    arrays: dict[str, np.ndarray], blocks: tuple[int, ...]) -> dict[str, np.ndarray]:
  """Converts a ResNet of the Model Garden.

  Args:
    arrays: of the backbone; keys like 'layer_with_weights-2/_conv1/kernel'.
    blocks: of each stage, to tell where a stage begins.

  Raises:
    ValueError: a name is not that of a ResNet's variable.
  """
  places = [f'res{level}.{block}'
            for level, count in zip((2, 3, 4, 5), blocks) for block in range(count)]

  def rename(index: int, part: str) -> str:
    if index == 0:
      return 'stem.conv1.weight'
    if index == 1:
      return f'stem.conv1.norm.{_NORM[part]}'
    layer, leaf = part.split('/')
    inner = 'shortcut' if layer in ('_shortcut', '_norm0') else f'conv{layer[-1]}'
    outer = 'weight' if leaf == 'kernel' else f'norm.{_NORM[leaf]}'
    return f'{places[index - 2]}.{inner}.{outer}'

  result = {}
  for name, value in arrays.items():
    layer, _, part = name.partition('/')
    try:
      target = 'backbone.' + rename(int(layer.removeprefix('layer_with_weights-')), part)
    except LookupError as e:
      raise ValueError(f'{name} is not a variable of a ResNet') from e
    if target.endswith('running_var'):
      value = value + (_MODEL_GARDEN_EPSILON - EPSILON)
    result[target] = (_conv(value) if value.ndim == 4 else value).astype(np.float32)
  return result
