"""SSD's color changes (detectron2's ColorAugSSDTransform), on bytes as OpenCV computes them.

Every step clips to 0 .. 255 and cuts the fraction off; hue and saturation go through OpenCV's 8-bit HSV (hue 0 .. 179).
"""

import tensorflow as tf

_BRIGHTNESS = 32.0
_FACTORS = (0.5, 1.5)  # of contrast and saturation
_HUE = 18  # OpenCV's degrees, of 180
_SHIFT = 12  # bits after the point in OpenCV's whole-number arithmetic


def _cut(x: tf.Tensor) -> tf.Tensor:
  return tf.floor(tf.clip_by_value(x, 0.0, 255.0))


def to_hsv(image: tf.Tensor) -> tf.Tensor:
  """RGB to OpenCV's 8-bit HSV: whole numbers, hue 0 .. 179, saturation and value 0 .. 255.

  Args:
    image: float32 [..., 3], whole numbers 0 .. 255.

  Returns:
    float32 [..., 3].
  """
  r, g, b = tf.unstack(tf.cast(image, tf.int32), axis=-1)
  value = tf.maximum(tf.maximum(r, g), b)
  span = value - tf.minimum(tf.minimum(r, g), b)
  def divided(numerator, per, denominator):
    """numerator * per / denominator in OpenCV's table arithmetic, rounded; 0 where the denominator is."""
    safe = tf.cast(tf.maximum(denominator, 1), tf.float64)
    table = tf.cast(tf.round(tf.cast(per, tf.float64) * 2**_SHIFT / safe), tf.int32)
    result = tf.bitwise.right_shift(numerator * table + 2**(_SHIFT - 1), _SHIFT)
    return tf.where(denominator > 0, result, 0)
  saturation = divided(span, 255, value)
  sixths = tf.where(value == r, g - b, tf.where(value == g, b - r + 2 * span, r - g + 4 * span))
  hue = divided(sixths, 30, span)
  hue = tf.where(hue < 0, hue + 180, hue)
  return tf.cast(tf.stack([hue, saturation, value], axis=-1), tf.float32)


def to_rgb(hsv: tf.Tensor) -> tf.Tensor:
  """The way back; float32 [..., 3], whole numbers on both sides."""
  hue, saturation, value = tf.unstack(hsv, axis=-1)
  sextant = hue * (6.0 / 180.0)
  sector = tf.floor(sextant)
  share = sextant - sector
  saturation, value = saturation * (1 / 255.0), value * (1 / 255.0)
  p = value * (1 - saturation)
  q = value * (1 - saturation * share)
  t = value * (1 - saturation * (1 - share))
  sector = tf.cast(sector, tf.int32) % 6
  rgb = [(value, t, p), (q, value, p), (p, value, t), (p, q, value), (t, p, value), (value, p, q)]
  channels = [tf.add_n([tf.where(sector == i, rgb[i][c], 0.0) for i in range(6)]) for c in range(3)]
  return _cut(tf.stack(channels, axis=-1) * 255.0)  # OpenCV's vector code does not round here


def brightness(image: tf.Tensor, delta: tf.Tensor) -> tf.Tensor:
  """Adds `delta` to every byte."""
  return _cut(image + delta)


def contrast(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
  """Multiplies every byte."""
  return _cut(image * factor)


def saturation(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
  """Multiplies the saturation."""
  hue, saturated, value = tf.unstack(to_hsv(image), axis=-1)
  return to_rgb(tf.stack([hue, _cut(saturated * factor), value], axis=-1))


def hue(image: tf.Tensor, delta: tf.Tensor) -> tf.Tensor:
  """Turns the hue by `delta`, whole degrees of 180."""
  turned, saturated, value = tf.unstack(to_hsv(image), axis=-1)
  return to_rgb(tf.stack([tf.math.floormod(turned + tf.cast(delta, tf.float32), 180.0), saturated, value], axis=-1))


def jitter(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
  """Brightness, then contrast, saturation, hue or saturation, hue, contrast; each with probability one half.

  Args:
    image: uint8 [height, width, 3], RGB.
    seed: int32 [2]; everything random is a function of it.

  Returns:
    uint8 [height, width, 3].
  """
  seeds = tf.unstack(tf.random.split(seed, 9))
  uniform = lambda i, low, high: tf.random.stateless_uniform([], seeds[i], low, high)
  coin = lambda i: uniform(i, 0.0, 1.0) < 0.5
  def maybe(i, change, strength):
    return lambda x: tf.cond(coin(i), lambda: change(x, strength), lambda: x)
  brighten = maybe(0, brightness, uniform(1, -_BRIGHTNESS, _BRIGHTNESS))
  stretch = maybe(2, contrast, uniform(3, *_FACTORS))
  saturate = maybe(4, saturation, uniform(5, *_FACTORS))
  turn = maybe(6, hue, tf.random.stateless_uniform([], seeds[7], -_HUE, _HUE + 1, tf.int32))
  x = brighten(tf.cast(image, tf.float32))
  x = tf.cond(coin(8), lambda: turn(saturate(stretch(x))), lambda: stretch(turn(saturate(x))))
  return tf.cast(x, tf.uint8)
