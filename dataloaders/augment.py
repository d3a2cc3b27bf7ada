"""Random changes of an image together with its id maps; everything random is a function of a seed.

Images are resized as Pillow does (bilinear, antialiased when shrinking, rounded to bytes), id maps
by the nearest pixel under the half-pixel center or by PyTorch's older rule. Sources: detectron2's
transforms and MaskFormer's mappers.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_maskformer.configs.data import Augmentation
from tf_maskformer.dataloaders import color

_UNMOVED = ((1.0, 0.0), (1.0, 0.0))


class Sample(NamedTuple):
  """An image, its id maps, and where its pixels have moved.

  Attributes:
    image: uint8 [height, width, 3], RGB.
    id_maps: integers [height, width, planes].
    placement: float64 [2, 2]; the point y, x in pixels of the original image has moved to
      placement[:, 0] * (y, x) + placement[:, 1].
  """
  image: tf.Tensor
  id_maps: tf.Tensor
  placement: tf.Tensor


def unmoved(image: tf.Tensor, id_maps: tf.Tensor) -> Sample:
  """Returns a sample to begin with."""
  return Sample(image, id_maps, tf.constant(_UNMOVED, tf.float64))


def _size(sample: Sample) -> tf.Tensor:
  """Returns int32 [2], height and width."""
  return tf.shape(sample.image)[:2]


def _uniform(seed: tf.Tensor) -> tf.Tensor:
  return tf.random.stateless_uniform([], seed)


def _integer(seed: tf.Tensor, low: tf.Tensor | int, high: tf.Tensor | int) -> tf.Tensor:
  """Uniform integer in [low, high], both included."""
  return tf.random.stateless_uniform([], seed, minval=low, maxval=high + 1, dtype=tf.int32)


def _choice(seed: tf.Tensor, values: list[int]) -> tf.Tensor:
  return tf.constant(values, tf.int32)[_integer(seed, 0, len(values) - 1)]


def _legacy_nearest(id_maps: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
  """Nearest by source index floor(i * (in / out)) in float64, as PyTorch does it with float64."""
  for axis in (0, 1):
    old = tf.shape(id_maps)[axis]
    scale = tf.cast(old, tf.float64) / tf.cast(size[axis], tf.float64)
    index = tf.cast(tf.floor(tf.range(size[axis], dtype=tf.float64) * scale), tf.int32)
    id_maps = tf.gather(id_maps, tf.minimum(index, old - 1), axis=axis)
  return id_maps


def resize_image(image: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
  """Resizes an image as Pillow does.

  Args:
    image: uint8 [height, width, 3].
    size: int32 [2], height and width.

  Returns:
    uint8 of that size.
  """
  # Antialiasing changes nothing when enlarging, where the plain kernel is three times as fast.
  resized = tf.cond(
      tf.reduce_any(size < tf.shape(image)[:2]),
      lambda: tf.image.resize(image, size, antialias=True),
      lambda: tf.image.resize(image, size))
  return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


def resize(sample: Sample, size: tf.Tensor, legacy_nearest: bool = False) -> Sample:
  """Resizes a sample.

  Args:
    sample: what is resized.
    size: int32 [2], height and width.
    legacy_nearest: the rule for id maps; see `configs.data.Augmentation`.
  """
  if legacy_nearest:
    id_maps = _legacy_nearest(sample.id_maps, size)
  else:
    id_maps = tf.image.resize(sample.id_maps, size, method='nearest')
  factor = tf.cast(size / _size(sample), tf.float64)
  return Sample(resize_image(sample.image, size), id_maps, sample.placement * factor[:, None])


def shortest_edge_size(size: tf.Tensor, short_edge: tf.Tensor, long_edge_limit: int) -> tf.Tensor:
  """Returns the size whose short side is `short_edge`, unless the long one would exceed the limit.

  The arithmetic is detectron2's.

  Args:
    size: int32 [2] or [2, n], height and width, of one image or of n.
    short_edge: int32 scalar, pixels.
    long_edge_limit: pixels; 0: none.

  Returns:
    int32, like `size`, 1 or more; detectron2 rounds a side below half a pixel to 0.
  """
  exact = tf.cast(size, tf.float64)
  # Of the two sides apart, and as a factor: from a reduction over both, and from a choice between
  # two sizes, OpenVINO computes other sizes.
  height = exact[0]
  width = exact[1]
  scale = tf.cast(short_edge, tf.float64) / tf.minimum(height, width)
  exact = exact * scale
  if long_edge_limit:
    longest = tf.maximum(height, width) * scale
    exact = exact * tf.minimum(long_edge_limit / longest, 1.0)
  return tf.maximum(tf.cast(exact + 0.5, tf.int32), 1)


def flip(sample: Sample, probability: float, seed: tf.Tensor) -> Sample:
  """Mirrors left and right with a probability in [0, 1]."""
  if not probability:
    return sample
  flips = _uniform(seed) < probability
  y, x = tf.unstack(sample.placement)
  width = tf.cast(tf.shape(sample.image)[1], tf.float64)
  mirrored = Sample(
      image=tf.reverse(sample.image, [1]),
      id_maps=tf.reverse(sample.id_maps, [1]),
      placement=tf.stack([y, [-x[0], width - x[1]]]))
  return Sample(*[tf.where(flips, there, here) for there, here in zip(mirrored, sample)])


def _cut(sample: Sample, first: tf.Tensor, last: tf.Tensor) -> Sample:
  """Cuts out rows and columns first .. last - 1; both int32 [2]."""
  scale, shift = tf.unstack(sample.placement, axis=1)
  return Sample(
      image=sample.image[first[0]:last[0], first[1]:last[1]],
      id_maps=sample.id_maps[first[0]:last[0], first[1]:last[1]],
      placement=tf.stack([scale, shift - tf.cast(first, tf.float64)], axis=1))


def crop(sample: Sample, size: tf.Tensor, seed: tf.Tensor) -> Sample:
  """Cuts out a window of int32 `size` [2] (at most the image's) at a uniform position."""
  room = _size(sample) - size
  seeds = tf.random.split(seed, 2)
  first = tf.stack([_integer(seeds[0], 0, room[0]), _integer(seeds[1], 0, room[1])])
  return _cut(sample, first, first + size)


def detr_crop(sample: Sample, config: Augmentation, seed: tf.Tensor) -> Sample:
  """Resizes the short side to one of `crop_pre_short_edges`, then crops.

  The window's sides are random integers in `crop_side_range`, at most the image's.
  """
  seeds = tf.random.split(seed, 4)
  short_edge = _choice(seeds[0], config.crop_pre_short_edges)
  sample = resize(sample, shortest_edge_size(_size(sample), short_edge, 0))
  size = _size(sample)
  low, high = config.crop_side_range
  height = _integer(seeds[1], tf.minimum(size[0], low), tf.minimum(size[0], high))
  width = _integer(seeds[2], tf.minimum(size[1], low), tf.minimum(size[1], high))
  return crop(sample, tf.stack([height, width]), seeds[3])


def _scale_jitter(sample: Sample, config: Augmentation, output_size: list[int],
                  scale_seed: tf.Tensor, window_seed: tf.Tensor) -> Sample:
  """Large-scale jitter (detectron2's ResizeScale, FixedSizeCrop): a random scale, then a window.

  The window's position is one random share of the room along both axes.
  """
  low, high = config.scale_jitter
  scale = tf.cast(_uniform(scale_seed), tf.float64) * (high - low) + low
  size = tf.cast(_size(sample), tf.float64)
  factor = tf.reduce_min(scale * tf.constant(output_size, tf.float64) / size)
  new_size = tf.maximum(tf.cast(tf.round(size * factor), tf.int32), 1)
  sample = resize(sample, new_size, config.legacy_nearest)
  room = tf.cast(tf.maximum(new_size - output_size, 0), tf.float64)
  share = tf.cast(_uniform(window_seed), tf.float64)
  first = tf.cast(tf.round(room * share), tf.int32)
  return _cut(sample, first, first + tf.minimum(new_size, output_size))


def augment(sample: Sample, config: Augmentation, output_size: list[int], seed: tf.Tensor
            ) -> Sample:
  """Augments a sample as far as configured.

  Flip, DETR crop, shortest-edge resize, crop to the output and color; or scale jitter, which does
  its own cropping. MaskFormer's crop mappers flip last, the others first, which matters to the
  older nearest rule: it looks left.

  Args:
    sample: what is augmented.
    config: which changes, and how strong.
    output_size: [height, width] for `crop_to_output`, or empty.
    seed: int32 [2]; everything random is a function of it.
  """
  flip_seed, crop_seed, detr_seed, scale_seed, window_seed, color_seed = tf.unstack(
      tf.random.split(seed, 6))
  flips_last = config.crop_to_output and not config.scale_jitter
  if not flips_last:
    sample = flip(sample, config.flip_probability, flip_seed)
  if config.crop_probability:
    uncropped = sample
    sample = tf.cond(
        _uniform(crop_seed) < config.crop_probability,
        lambda: detr_crop(uncropped, config, detr_seed),
        lambda: uncropped)
  if config.scale_jitter:
    sample = _scale_jitter(sample, config, output_size, scale_seed, window_seed)
  elif config.short_edges:
    short_edge = _choice(scale_seed, config.short_edges)
    size = shortest_edge_size(_size(sample), short_edge, config.long_edge_limit)
    sample = resize(sample, size, config.legacy_nearest)
  if config.crop_to_output and output_size and not config.scale_jitter:
    sample = crop(sample, tf.minimum(_size(sample), output_size), window_seed)
  if config.color_jitter:
    sample = sample._replace(image=color.jitter(sample.image, color_seed))
  if flips_last:
    sample = flip(sample, config.flip_probability, flip_seed)
  return sample
