"""SSD's color changes (detectron2's ColorAugSSDTransform), on bytes as OpenCV computes them.

Every step clips to 0 .. 255 and cuts off the fraction; hue and saturation are changed in OpenCV's
8-bit HSV (hue 0 .. 179).
"""

from collections.abc import Callable

import tensorflow as tf

_BRIGHTNESS = 32.0  # at most this is added or subtracted
_FACTORS = (0.5, 1.5)  # of contrast and saturation
_HUE = 18  # at most this is added or subtracted, OpenCV's degrees
_CIRCLE = 180  # all of OpenCV's degrees
_SHIFT = 12  # bits after the point in OpenCV's integer arithmetic

Change = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def _cut(x: tf.Tensor) -> tf.Tensor:
  return tf.floor(tf.clip_by_value(x, 0.0, 255.0))


def _table_divide(numerator: tf.Tensor, scale: int, denominator: tf.Tensor) -> tf.Tensor:
  """numerator * scale / denominator in OpenCV's table arithmetic, rounded; int32.

  Where the denominator is 0 so is the result.
  """
  safe = tf.cast(tf.maximum(denominator, 1), tf.float64)
  table = tf.cast(tf.round(tf.cast(scale, tf.float64) * 2**_SHIFT / safe), tf.int32)
  result = tf.bitwise.right_shift(numerator * table + 2**(_SHIFT - 1), _SHIFT)
  return tf.where(denominator > 0, result, 0)


def to_hsv(image: tf.Tensor) -> tf.Tensor:
  """RGB to OpenCV's 8-bit HSV: integers, hue 0 .. 179, saturation and value 0 .. 255.

  Args:
    image: float32 [..., 3], integers 0 .. 255.

  Returns:
    float32 [..., 3].
  """
  r, g, b = tf.unstack(tf.cast(image, tf.int32), axis=-1)
  value = tf.maximum(tf.maximum(r, g), b)
  span = value - tf.minimum(tf.minimum(r, g), b)
  saturation = _table_divide(span, 255, value)
  # The circle in sixths of `span`: 0 at red, 2 at green, 4 at blue.
  from_green = b - r + 2 * span
  from_blue = r - g + 4 * span
  sixths = tf.where(value == r, g - b, tf.where(value == g, from_green, from_blue))
  hue = _table_divide(sixths, _CIRCLE // 6, span)
  hue = tf.where(hue < 0, hue + _CIRCLE, hue)
  return tf.cast(tf.stack([hue, saturation, value], axis=-1), tf.float32)


def to_rgb(hsv: tf.Tensor) -> tf.Tensor:
  """The inverse of `to_hsv`; float32 [..., 3], integers on both sides."""
  hue, saturation, value = tf.unstack(hsv, axis=-1)
  sextant = hue * (6.0 / _CIRCLE)
  sector = tf.floor(sextant)
  share = sextant - sector
  saturation = saturation * (1 / 255.0)
  value = value * (1 / 255.0)
  p = value * (1 - saturation)
  q = value * (1 - saturation * share)
  t = value * (1 - saturation * (1 - share))
  sector = tf.cast(sector, tf.int32) % 6
  rgb = [
      (value, t, p), (q, value, p), (p, value, t), (p, q, value), (t, p, value), (value, p, q)]
  channels = []
  for channel in range(3):
    parts = [tf.where(sector == i, rgb[i][channel], 0.0) for i in range(6)]
    channels.append(tf.add_n(parts))
  return _cut(tf.stack(channels, axis=-1) * 255.0)  # OpenCV's vector code does not round here


def brightness(image: tf.Tensor, delta: tf.Tensor) -> tf.Tensor:
  """Adds `delta` to every byte; float32 [..., 3]."""
  return _cut(image + delta)


def contrast(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
  """Multiplies every byte; float32 [..., 3]."""
  return _cut(image * factor)


def saturation(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
  """Multiplies the saturation; float32 [..., 3]."""
  hue, saturated, value = tf.unstack(to_hsv(image), axis=-1)
  return to_rgb(tf.stack([hue, _cut(saturated * factor), value], axis=-1))


def hue(image: tf.Tensor, delta: tf.Tensor) -> tf.Tensor:
  """Turns the hue by `delta`, an integer of OpenCV's degrees; float32 [..., 3]."""
  turned, saturated, value = tf.unstack(to_hsv(image), axis=-1)
  turned = tf.math.floormod(turned + tf.cast(delta, tf.float32), float(_CIRCLE))
  return to_rgb(tf.stack([turned, saturated, value], axis=-1))


def _uniform(seed: tf.Tensor, low: float, high: float) -> tf.Tensor:
  return tf.random.stateless_uniform([], seed, low, high)


def _coin(seed: tf.Tensor) -> tf.Tensor:
  return _uniform(seed, 0.0, 1.0) < 0.5


def _maybe(change: Change, strength: tf.Tensor, coin_seed: tf.Tensor
           ) -> Callable[[tf.Tensor], tf.Tensor]:
  """Returns a function of an image that makes a change with probability one half."""
  return lambda x: tf.cond(_coin(coin_seed), lambda: change(x, strength), lambda: x)


def jitter(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
  """Changes brightness, contrast, saturation and hue, each with probability one half.

  After brightness follow contrast, saturation, hue or saturation, hue, contrast, equally likely.

  Args:
    image: uint8 [height, width, 3], RGB.
    seed: int32 [2]; everything random is a function of it.

  Returns:
    uint8 [height, width, 3].
  """
  seeds = tf.unstack(tf.random.split(seed, 9))
  degrees = tf.random.stateless_uniform([], seeds[7], -_HUE, _HUE + 1, tf.int32)
  brighten = _maybe(brightness, _uniform(seeds[1], -_BRIGHTNESS, _BRIGHTNESS), seeds[0])
  stretch = _maybe(contrast, _uniform(seeds[3], *_FACTORS), seeds[2])
  saturate = _maybe(saturation, _uniform(seeds[5], *_FACTORS), seeds[4])
  turn = _maybe(hue, degrees, seeds[6])
  x = brighten(tf.cast(image, tf.float32))
  x = tf.cond(
      _coin(seeds[8]), lambda: turn(saturate(stretch(x))), lambda: stretch(turn(saturate(x))))
  return tf.cast(x, tf.uint8)
