"""PyTorch's operations in plain numpy, float64: what parts of models are compared with.

Nothing of the project is used here. Feature maps are [batch, height, width, channels], weights lie
as in official files ([out, in, height, width], [out, in]) and are looked up by official name.
"""

import numpy as np
import scipy.special

EPSILON = 1e-5
Weights = dict[str, np.ndarray]


def conv(x: np.ndarray, kernel: np.ndarray, stride: int = 1, dilation: int = 1) -> np.ndarray:
  """A convolution padded by dilation * (size - 1) / 2 on each side."""
  size = kernel.shape[2]
  reach = dilation * (size - 1)
  pad = reach // 2
  padded = np.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
  windows = np.lib.stride_tricks.sliding_window_view(padded, [reach + 1, reach + 1], axis=(1, 2))
  windows = windows[:, ::stride, ::stride, :, ::dilation, ::dilation]
  return np.tensordot(windows, kernel, [[3, 4, 5], [1, 2, 3]])


def max_pool(x: np.ndarray) -> np.ndarray:
  """3x3 maximum at stride 2, padded by one pixel of minus infinity."""
  padded = np.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-np.inf)
  windows = np.lib.stride_tricks.sliding_window_view(padded, [3, 3], axis=(1, 2))
  return windows[:, ::2, ::2].max((-2, -1))


def _standardized(x, axes):
  mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
  return (x - mean) / np.sqrt(variance + EPSILON)


def layer_norm(x: np.ndarray, w: Weights, name: str) -> np.ndarray:
  """Layer norm over the last axis."""
  return _standardized(x, (-1,)) * w[f'{name}.weight'] + w[f'{name}.bias']


def group_norm(x: np.ndarray, w: Weights, name: str) -> np.ndarray:
  """Group norm of 32 groups."""
  groups = x.reshape(*x.shape[:3], 32, -1)
  normed = _standardized(groups, (1, 2, 4)).reshape(x.shape)
  return normed * w[f'{name}.weight'] + w[f'{name}.bias']


def batch_norm(x: np.ndarray, w: Weights, name: str, training: bool = False) -> np.ndarray:
  """Batch norm; in training by the batch's own statistics, else by the running ones."""
  if training:
    normed = _standardized(x, (0, 1, 2))
  else:
    normed = (x - w[f'{name}.running_mean']) / np.sqrt(w[f'{name}.running_var'] + EPSILON)
  return normed * w[f'{name}.weight'] + w[f'{name}.bias']


def linear(x: np.ndarray, w: Weights, name: str) -> np.ndarray:
  """`x @ weight.T + bias`; no bias where the weights have none."""
  return x @ w[f'{name}.weight'].T + w.get(f'{name}.bias', 0)


def relu(x: np.ndarray) -> np.ndarray:
  """`max(x, 0)`."""
  return np.maximum(x, 0)


def gelu(x: np.ndarray) -> np.ndarray:
  """The exact GELU."""
  return x * scipy.special.ndtr(x)


def softmax(x: np.ndarray) -> np.ndarray:
  """Softmax over the last axis."""
  return scipy.special.softmax(x, axis=-1)


def nearest(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Nearest resize by floor(i * in / out)."""
  rows, columns = (np.arange(n) * old // n for n, old in zip(size, x.shape[1:3]))
  return x[:, rows][:, :, columns]


def sample(x: np.ndarray, row: float, column: float) -> np.ndarray:
  """Bilinear value of a map [height, width, channels] at a place in pixels, zeros outside."""
  total = np.zeros(x.shape[-1])
  for i in (int(np.floor(row)), int(np.floor(row)) + 1):
    for j in (int(np.floor(column)), int(np.floor(column)) + 1):
      if 0 <= i < x.shape[0] and 0 <= j < x.shape[1]:
        total += (1 - abs(row - i)) * (1 - abs(column - j)) * x[i, j]
  return total


def bilinear(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Bilinear resize with half-pixel centers (align_corners False), edges repeated."""
  for axis, new in zip((1, 2), size):
    old = x.shape[axis]
    place = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    below = np.floor(place).astype(int)
    above = np.minimum(below + 1, old - 1)
    share = np.expand_dims(place - below, [a for a in range(x.ndim) if a != axis])
    x = np.take(x, below, axis) * (1 - share) + np.take(x, above, axis) * share
  return x


def sine(height: int, width: int, features: int) -> np.ndarray:
  """DETR's position encoding, [height, width, features]."""
  half = features // 2
  wavelength = 10000 ** (2 * (np.arange(half) // 2) / half)
  def waves(size):
    angle = np.arange(1, size + 1)[:, None] / (size + 1e-6) * 2 * np.pi / wavelength
    return np.where(np.arange(half) % 2, np.cos(angle), np.sin(angle))
  y = np.broadcast_to(waves(height)[:, None], [height, width, half])
  x = np.broadcast_to(waves(width)[None], [height, width, half])
  return np.concatenate([y, x], axis=-1)


def fill(entries: dict, seed: int = 0) -> Weights:
  """Assigns weights in which nothing is trivial to `names.entries`; returns them in float64."""
  rng, weights = np.random.default_rng(seed), {}
  for name, entry in sorted(entries.items()):
    shape, leaf = entry.official_shape, name.rpartition('.')[2]
    if leaf == 'running_var' or (leaf == 'weight' and len(shape) == 1):
      value = rng.uniform(0.5, 1.2, shape)
    elif len(shape) == 1:
      value = rng.uniform(-0.2, 0.2, shape)
    else:
      value = rng.normal(0, np.prod(shape[1:]) ** -0.5, shape)
    entry.assign_official(value.astype(np.float32))
    weights[name] = value.astype(np.float32).astype(np.float64)
  return weights


def assert_near(found, wanted: np.ndarray, units: float, message: str = '') -> None:
  """Compares float32 with float64, in units of 2^-24 of the largest value."""
  bound = units * 2.0 ** -24 * np.abs(wanted).max()
  np.testing.assert_allclose(np.asarray(found), wanted, rtol=0, atol=bound, err_msg=message)
