"""Swin transformer as MaskFormer uses it (arXiv 2103.14030; official `D2SwinTransformer`).

Windows that do not fit are padded with zeros after the first norm of a block; odd blocks shift
their windows by half. Attribute names follow the official checkpoints.
"""

import numpy as np
import tensorflow as tf
import tf_keras

from tf_maskformer.configs import backbones
from tf_maskformer.modeling.layers import initializers
from tf_maskformer.modeling.layers import salts
from tf_maskformer.modeling.layers.dropout import drop_path
from tf_maskformer.modeling.layers.linear import Linear
from tf_maskformer.modeling.layers.norms import LayerNorm
from tf_maskformer.ops import shape as shape_ops
from tf_maskformer.ops.gelu import gelu

_PATCH = 4  # pixels along a side of the image that become one token
_MASKED = -100.0  # added to the logits of tokens that only the shift brought into one window


def relative_position_index(window: int) -> np.ndarray:
  """Returns the bias table's row for each pair of a window's tokens, int [window^2, window^2]."""
  y, x = np.divmod(np.arange(window * window), window)
  rows = y[:, None] - y[None] + window - 1
  columns = x[:, None] - x[None] + window - 1
  return rows * (2 * window - 1) + columns


def _regions(size, window: int, shift: int):
  """Number 0, 1 or 2 of the strip that each place of a shifted axis came from."""
  place = tf.range(size)
  return tf.cast(place >= size - window, tf.int32) + tf.cast(place >= size - shift, tf.int32)


def shift_mask(height, width, window: int, shift: int) -> tf.Tensor:
  """Returns what is added to the logits of shifted windows: 0 or -100.

  Args:
    height: of the padded token map, a multiple of window.
    width: likewise.
    window: side of a window.
    shift: by how much the map was rolled.

  Returns:
    float32 [windows, 1, tokens, tokens].
  """
  region = 3 * _regions(height, window, shift)[:, None] + _regions(width, window, shift)[None]
  tokens = tf.reshape(_to_windows(region[None, :, :, None], window), [-1, window * window])
  differs = tokens[:, :, None] != tokens[:, None, :]
  return tf.where(differs, _MASKED, 0.0)[:, None]


def _to_windows(x, window: int):
  """[batch, height, width, channels] -> [batch * windows, window^2, channels], row by row."""
  height, width = shape_ops.spatial_size(x)
  channels = x.shape[-1]
  x = tf.reshape(x, [-1, height // window, window, width // window, window, channels])
  return tf.reshape(tf.transpose(x, [0, 1, 3, 2, 4, 5]), [-1, window * window, channels])


def _from_windows(x, batch, height, width, window: int):
  """The inverse of `_to_windows`."""
  channels = x.shape[-1]
  x = tf.reshape(x, [batch, height // window, width // window, window, window, channels])
  return tf.reshape(tf.transpose(x, [0, 1, 3, 2, 4, 5]), [batch, height, width, channels])


class WindowAttention(tf_keras.layers.Layer):
  """Multi-head self-attention in windows, biased by relative position; softmax in float32."""
  UNDECAYED = ('relative_position_bias_table',)

  def __init__(self, channels: int, heads: int, window: int, qkv_bias: bool,
               name: str | None = None):
    super().__init__(name=name)
    self._heads = heads
    self._channels = channels
    self._index = relative_position_index(window)[..., None]
    self.qkv = Linear(channels, 3 * channels, use_bias=qkv_bias)
    self.proj = Linear(channels, channels)
    # The official truncation at +-2 is far outside 0.02: a plain normal.
    self.relative_position_bias_table = self.add_weight(
        'relative_position_bias_table', [(2 * window - 1) ** 2, heads],
        initializer=tf_keras.initializers.RandomNormal(0, 0.02))

  def _bias(self) -> tf.Tensor:
    """[1, heads, tokens, tokens], float32."""
    # gather_nd, of a tensor: the gradient of gather is sparse, and XLA cannot gather_nd from a
    # variable.
    table = tf.cast(tf.identity(self.relative_position_bias_table), tf.float32)
    bias = tf.gather_nd(table, self._index)
    return tf.transpose(bias, [2, 0, 1])[None]

  def call(self, x, mask=None):
    """Attends.

    Args:
      x: [batch * windows, tokens, channels].
      mask: float32 [windows, 1, tokens, tokens], added to the logits of every image; None: nothing.

    Returns:
      [batch * windows, tokens, channels].
    """
    tokens = x.shape[1]
    width = self._channels // self._heads
    qkv = tf.reshape(self.qkv(x), [-1, tokens, 3, self._heads, width])
    q, k, v = tf.unstack(tf.transpose(qkv, [2, 0, 3, 1, 4]), num=3)
    logits = tf.cast(tf.matmul(q * width ** -0.5, k, transpose_b=True), tf.float32) + self._bias()
    if mask is not None:
      windows = shape_ops.batch_size(mask)
      of_images = tf.reshape(logits, [-1, windows, self._heads, tokens, tokens])
      logits = tf.reshape(of_images + mask[None], [-1, self._heads, tokens, tokens])
    probabilities = tf.cast(tf.nn.softmax(logits), v.dtype)
    y = tf.transpose(tf.matmul(probabilities, v), [0, 2, 1, 3])
    return self.proj(tf.reshape(y, [-1, tokens, self._channels]))


class SwinMLP(tf_keras.layers.Layer):
  """Two linear layers with the exact (erf) GELU between them."""

  def __init__(self, channels: int, hidden: int, name: str | None = None):
    super().__init__(name=name)
    self.fc1 = Linear(channels, hidden)
    self.fc2 = Linear(hidden, channels)

  def call(self, x):
    def activate(hidden):
      return self.fc2(gelu(hidden))
    # GELU is recomputed for the gradient: what it would keep is several times its input, the
    # largest tensor of a block.
    return tf.recompute_grad(activate)(self.fc1(x))


class SwinBlock(tf_keras.layers.Layer):
  """`y = x + attention(norm1(x))`, `y + mlp(norm2(y))`, both branches under stochastic depth."""

  def __init__(self, config: backbones.Swin, channels: int, heads: int, shift: int,
               drop_rate: float, salt: int, name: str | None = None):
    super().__init__(name=name)
    self._window = config.window
    self._shift = shift
    self._drop_rate = drop_rate
    self._salt = salt
    self.norm1 = LayerNorm(channels)
    self.norm2 = LayerNorm(channels)
    self.attn = WindowAttention(channels, heads, config.window, config.qkv_bias)
    self.mlp = SwinMLP(channels, int(channels * config.mlp_ratio))

  def _attend(self, x):
    """Attention in windows of [batch, height, width, channels], shifted in odd blocks."""
    window = self._window
    shift = self._shift
    height, width = shape_ops.spatial_size(x)
    bottom = shape_ops.to_multiple(height, window)
    right = shape_ops.to_multiple(width, window)
    x = tf.pad(x, [[0, 0], [0, bottom], [0, right], [0, 0]])
    padded_height = height + bottom
    padded_width = width + right
    mask = None
    if shift:
      x = tf.roll(x, [-shift, -shift], [1, 2])
      mask = shift_mask(padded_height, padded_width, window, shift)
    batch = shape_ops.batch_size(x)
    windows = self.attn(_to_windows(x, window), mask)
    x = _from_windows(windows, batch, padded_height, padded_width, window)
    if shift:
      x = tf.roll(x, [shift, shift], [1, 2])
    return x[:, :height, :width]

  def call(self, x, seed=None):
    """[batch, height, width, channels] -> the same."""
    x = x + drop_path(self._attend(self.norm1(x)), self._drop_rate, seed, self._salt)
    return x + drop_path(self.mlp(self.norm2(x)), self._drop_rate, seed, self._salt + 1)


class PatchEmbed(tf_keras.layers.Layer):
  """4x4 convolution at stride 4 on the image padded to multiples of 4, and a norm."""

  def __init__(self, channels: int, name: str | None = None):
    super().__init__(name=name)
    self.proj = Patchify(channels)
    self.norm = LayerNorm(channels)

  def call(self, x):
    height, width = shape_ops.spatial_size(x)
    bottom = shape_ops.to_multiple(height, _PATCH)
    right = shape_ops.to_multiple(width, _PATCH)
    x = tf.pad(x, [[0, 0], [0, bottom], [0, right], [0, 0]])
    return self.norm(self.proj(x))


class Patchify(tf_keras.layers.Layer):
  """The 4x4 convolution at stride 4, with a bias, initialized as PyTorch's Conv2d."""

  def __init__(self, channels: int, name: str | None = None):
    super().__init__(name=name)
    kernel = [_PATCH, _PATCH, 3]
    fan_in = _PATCH * _PATCH * 3
    self.weight = self.add_weight(
        'weight', [*kernel, channels], initializer=initializers.torch_default(fan_in))
    self.bias = self.add_weight('bias', [channels], initializer=initializers.torch_default(fan_in))

  def call(self, x):
    y = tf.nn.conv2d(x, tf.cast(self.weight, x.dtype), _PATCH, 'VALID')
    return tf.nn.bias_add(y, tf.cast(self.bias, x.dtype))


class PatchMerging(tf_keras.layers.Layer):
  """Joins 2x2 tokens: [batch, height, width, c] -> [batch, height / 2, width / 2, 2 c].

  Sizes are rounded up.
  """

  def __init__(self, channels: int, name: str | None = None):
    super().__init__(name=name)
    self.norm = LayerNorm(4 * channels)
    self.reduction = Linear(4 * channels, 2 * channels, use_bias=False)

  def call(self, x):
    height, width = shape_ops.spatial_size(x)
    x = tf.pad(x, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]])
    # (even row, even column), (odd, even), (even, odd), (odd, odd).
    parts = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
    return self.reduction(self.norm(tf.concat(parts, axis=-1)))


class SwinStage(tf_keras.layers.Layer):
  """Blocks of one resolution and, except in the last stage, the merging that follows them."""

  def __init__(self, config: backbones.Swin, channels: int, heads: int, drop_rates: list[float],
               first: int, merges: bool, name: str | None = None):
    """Makes the blocks.

    Args:
      config: the backbone's.
      channels: of the tokens.
      heads: of the attention.
      drop_rates: stochastic depth, one for each block.
      first: index of the first block, counted through all stages.
      merges: whether a patch merging follows.
      name: the layer's name.
    """
    super().__init__(name=name)
    self.blocks = []
    for i, rate in enumerate(drop_rates):
      shift = (i % 2) * (config.window // 2)
      salt = salts.backbone_block(first + i)
      self.blocks.append(SwinBlock(config, channels, heads, shift, rate, salt))
    self.downsample = PatchMerging(channels) if merges else None

  def call(self, x, seed=None):
    for block in self.blocks:
      x = block(x, seed=seed)
    return x


class Swin(tf_keras.layers.Layer):
  """Returns {'2', '3', '4', '5'}: features [batch, height / 2^level, width / 2^level, channels].

  Sizes are rounded up.

  Attributes:
    channels: dict from level to its number of channels.
  """

  def __init__(self, config: backbones.Swin, name: str | None = None):
    super().__init__(name=name)
    self.patch_embed = PatchEmbed(config.embed_dim)
    rates = [float(r) for r in np.linspace(0, config.drop_path, sum(config.depths))]
    self.layers = []
    self.channels = {}
    first = 0
    for i, (depth, heads) in enumerate(zip(config.depths, config.heads)):
      channels = config.embed_dim << i
      merges = i < len(config.depths) - 1
      own_rates = rates[first:first + depth]
      self.layers.append(SwinStage(config, channels, heads, own_rates, first, merges))
      setattr(self, f'norm{i}', LayerNorm(channels))
      self.channels[str(i + 2)] = channels
      first += depth

  def call(self, x, training=False, seed=None):
    """Runs the backbone.

    Args:
      x: [batch, height, width, 3].
      training: not used.
      seed: of stochastic depth; None: none.

    Returns:
      The features by level.
    """
    del training
    features = {}
    x = self.patch_embed(x)
    for i, stage in enumerate(self.layers):
      x = stage(x, seed=seed)
      features[str(i + 2)] = getattr(self, f'norm{i}')(x)
      if stage.downsample is not None:
        x = stage.downsample(x)
    return features
