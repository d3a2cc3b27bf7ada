"""Random changes of an image together with its id maps; every draw is a function of a seed.

Images are resized as Pillow does (bilinear, antialiased when shrinking, rounded to bytes), id maps by the
nearest pixel under the half-pixel center or by PyTorch's older rule. Sources: detectron2's transforms and
MaskFormer's mappers.
"""

import tensorflow as tf

from tf_maskformer.configs.data import Augmentation
from tf_maskformer.dataloaders import color

# image uint8 [height, width, 3], id_maps [height, width, layers] and, where the caller asks for it,
# placement float64 [2, 2]: the point y, x in pixels has moved to placement[:, 0] * (y, x) + placement[:, 1].
Pair = tuple[tf.Tensor, ...]

UNMOVED = ((1.0, 0.0), (1.0, 0.0))  # the placement to begin with


def _uniform(seed: tf.Tensor) -> tf.Tensor:
  return tf.random.stateless_uniform([], seed)


def _whole(seed: tf.Tensor, low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
  """Uniform whole number in [low, high], both included."""
  return tf.random.stateless_uniform([], seed, minval=low, maxval=high + 1, dtype=tf.int32)


def _choice(seed: tf.Tensor, values: list[int]) -> tf.Tensor:
  return tf.constant(values, tf.int32)[_whole(seed, 0, len(values) - 1)]


def _legacy_nearest(id_maps: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
  """Nearest by source index floor(i * (in / out)) in float64, as PyTorch does with float64 label maps."""
  for axis in (0, 1):
    old = tf.shape(id_maps)[axis]
    scale = tf.cast(old, tf.float64) / tf.cast(size[axis], tf.float64)
    index = tf.cast(tf.floor(tf.range(size[axis], dtype=tf.float64) * scale), tf.int32)
    id_maps = tf.gather(id_maps, tf.minimum(index, old - 1), axis=axis)
  return id_maps


def resize(pair: Pair, size: tf.Tensor, legacy_nearest: bool = False) -> Pair:
  """Resizes both to int32 `size` [2]; `legacy_nearest`: see `configs.data.Augmentation`."""
  image, id_maps, *placement = pair
  old_size = tf.shape(image)[:2]
  placement = [place * tf.cast(size / old_size, tf.float64)[:, None] for place in placement]
  shrinks = tf.reduce_any(size < tf.shape(image)[:2])
  # Antialiasing changes nothing when enlarging, where the plain kernel is three times as fast.
  resized = tf.cond(shrinks, lambda: tf.image.resize(image, size, antialias=True),
                    lambda: tf.image.resize(image, size))
  resized = tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)
  if legacy_nearest:
    return resized, _legacy_nearest(id_maps, size), *placement
  return resized, tf.image.resize(id_maps, size, method='nearest'), *placement


def shortest_edge_size(size: tf.Tensor, short_edge: tf.Tensor, long_edge_limit: int) -> tf.Tensor:
  """detectron2's arithmetic: the short side becomes `short_edge` unless the long one would exceed the limit.

  Args:
    size: int32 [2], height and width.
    short_edge: int32 scalar, pixels.
    long_edge_limit: pixels; 0: none.

  Returns:
    int32 [2].
  """
  exact = tf.cast(size, tf.float64)
  exact = exact * (tf.cast(short_edge, tf.float64) / tf.reduce_min(exact))
  if long_edge_limit:
    longest = tf.reduce_max(exact)
    exact = tf.where(longest > long_edge_limit, exact * (long_edge_limit / longest), exact)
  return tf.cast(exact + 0.5, tf.int32)


def flip(pair: Pair, probability: float, seed: tf.Tensor) -> Pair:
  """Mirrors left and right."""
  if not probability:
    return pair
  does = _uniform(seed) < probability
  image, id_maps, *placement = pair
  width = tf.cast(tf.shape(image)[1], tf.float64)
  mirrored = [tf.stack([place[0], [-place[1, 0], width - place[1, 1]]]) for place in placement]
  mirrored = tf.reverse(image, [1]), tf.reverse(id_maps, [1]), *mirrored
  return tuple(tf.where(does, there, here) for there, here in zip(mirrored, pair))


def _cut(pair: Pair, first: tf.Tensor, last: tf.Tensor) -> Pair:
  """Cuts out rows and columns first .. last - 1; both int32 [2]."""
  image, id_maps, *placement = pair
  placement = [tf.stack([place[:, 0], place[:, 1] - tf.cast(first, tf.float64)], axis=1) for place in placement]
  return *(x[first[0]:last[0], first[1]:last[1]] for x in (image, id_maps)), *placement


def crop(pair: Pair, size: tf.Tensor, seed: tf.Tensor) -> Pair:
  """Cuts out a window of int32 `size` [2] (at most the image's) at a uniform place."""
  room = tf.shape(pair[0])[:2] - size
  seeds = tf.random.split(seed, 2)
  first = tf.stack([_whole(seeds[0], 0, room[0]), _whole(seeds[1], 0, room[1])])
  return _cut(pair, first, first + size)


def detr_crop(pair: Pair, config: Augmentation, seed: tf.Tensor) -> Pair:
  """Resizes the short side to one of `crop_pre_short_edges`, then cuts sides drawn from `crop_side_range`."""
  seeds = tf.random.split(seed, 4)
  short_edge = _choice(seeds[0], config.crop_pre_short_edges)
  pair = resize(pair, shortest_edge_size(tf.shape(pair[0])[:2], short_edge, 0))
  low, high = config.crop_side_range
  size = tf.shape(pair[0])[:2]
  sides = [_whole(seeds[1 + i], tf.minimum(size[i], low), tf.minimum(size[i], high)) for i in (0, 1)]
  return crop(pair, tf.stack(sides), seeds[3])


def _jittered(pair: Pair, config: Augmentation, output_size: list[int], seeds) -> Pair:
  """Large-scale jitter (detectron2's ResizeScale, FixedSizeCrop): resize, then a window at one share of both axes."""
  low, high = config.scale_jitter
  scale = tf.cast(_uniform(seeds[0]), tf.float64) * (high - low) + low
  size = tf.cast(tf.shape(pair[0])[:2], tf.float64)
  factor = tf.reduce_min(scale * tf.constant(output_size, tf.float64) / size)
  pair = resize(pair, tf.maximum(tf.cast(tf.round(size * factor), tf.int32), 1), config.legacy_nearest)
  size = tf.shape(pair[0])[:2]
  room = tf.cast(tf.maximum(size - output_size, 0), tf.float64)
  first = tf.cast(tf.round(room * tf.cast(_uniform(seeds[1]), tf.float64)), tf.int32)
  return _cut(pair, first, first + tf.minimum(size, output_size))


def augment(pair: Pair, config: Augmentation, output_size: list[int], seed: tf.Tensor) -> Pair:
  """Flip, DETR crop, shortest-edge resize, crop to the output and color, or scale jitter, as far as configured.

  MaskFormer's crop mappers flip last, the others first, which matters to the older nearest rule: it looks left.

  Args:
    pair: image uint8 [height, width, 3], id_maps [height, width, layers] and, if wanted, a placement.
    config: which, and how strong.
    output_size: [height, width] for `crop_to_output`, or empty.
    seed: int32 [2]; everything random is a function of it.

  Returns:
    The changed pair.
  """
  seeds = tf.random.split(seed, 6)
  flips_last = config.crop_to_output and not config.scale_jitter
  if not flips_last:
    pair = flip(pair, config.flip_probability, seeds[0])
  if config.crop_probability:
    pair = tf.cond(_uniform(seeds[1]) < config.crop_probability,
                   lambda: detr_crop(pair, config, seeds[2]), lambda: pair)
  if config.scale_jitter:
    pair = _jittered(pair, config, output_size, (seeds[3], seeds[4]))
  elif config.short_edges:
    short_edge = _choice(seeds[3], config.short_edges)
    size = shortest_edge_size(tf.shape(pair[0])[:2], short_edge, config.long_edge_limit)
    pair = resize(pair, size, config.legacy_nearest)
  if config.crop_to_output and output_size and not config.scale_jitter:  # which crops itself
    pair = crop(pair, tf.minimum(tf.shape(pair[0])[:2], output_size), seeds[4])
  if config.color_jitter:
    pair = color.jitter(pair[0], seeds[5]), *pair[1:]
  return flip(pair, config.flip_probability, seeds[0]) if flips_last else pair
