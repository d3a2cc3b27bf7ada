"""Semantic inference in TensorFlow (twin: ../semantic.py).

Scores are held as [height, width, classes]: the largest of neighbors in memory is found fastest.
"""

import tensorflow as tf

from tf_maskformer.modeling.postprocessing.graph import resize
from tf_maskformer.modeling.postprocessing.graph.resize import Taps
from tf_maskformer.modeling.postprocessing.graph.sizes import Sizes
from tf_maskformer.ops.sigmoid import sigmoid
from tf_maskformer.ops.strides import MASK_STRIDE


def labels(class_logits: tf.Tensor | None, mask_logits: tf.Tensor, sizes: Sizes,
           resize_first: bool) -> tf.Tensor:
  """Returns the class of every pixel, int32 [*sizes.original].

  Args:
    class_logits: float32 [queries, classes + 1], the last is no-object; None for a per-pixel model.
    mask_logits: float32 [queries, h, w]; of a per-pixel model [classes, h, w].
    sizes: of the image.
    resize_first: masks are brought to the original size before they are combined (panoptic
      configurations); otherwise they are combined at padded size and the scores are resized
      (semantic ones).
  """
  if class_logits is None:
    logits = resize.to_original(mask_logits, enlarged(tf.shape(mask_logits)[1:], sizes))
    return largest(tf.transpose(logits, [0, 2, 1]))
  classes = class_probabilities(class_logits)
  if resize_first:
    masks = sigmoid(resize.to_original(mask_logits, sizes))
    return largest(combine(classes, masks))
  padded = Sizes(sizes.padded, sizes.padded, sizes.padded)
  scores = combine(classes, sigmoid(resize.to_original(mask_logits, padded)))
  rows = resize.taps(sizes.image[0], sizes.original[0])
  columns = resize.taps(sizes.image[1], sizes.original[1])
  return largest(interpolate(scores, rows, columns))


def class_probabilities(class_logits: tf.Tensor) -> tf.Tensor:
  """Returns the probabilities float32 [queries, classes] of logits [queries, classes + 1]."""
  return tf.nn.softmax(class_logits)[:, :-1]


def enlarged(low: tf.Tensor, sizes: Sizes) -> Sizes:
  """Returns the sizes of a per-pixel model's image, whose logits are enlarged four times.

  What the image was padded to plays no part then (official order).

  Args:
    low: int32 [2], size of the logits.
    sizes: of the image.
  """
  return Sizes(MASK_STRIDE * low, sizes.image, sizes.original)


def combine(classes: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
  """Sums class probability times mask probability over queries.

  Args:
    classes: float32 [queries, classes], probabilities.
    masks: float32 [rows, queries, width], probabilities.

  Returns:
    Scores float32 [rows, width, classes].
  """
  copies = tf.tile(classes[None], [tf.shape(masks)[0], 1, 1])
  return tf.matmul(masks, copies, transpose_a=True)


def masks_at(masks: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
  """Returns masks [rows, queries, width] at places int64 [m, 2]: [m, queries]."""
  shape = tf.shape(masks, tf.int64)
  first = places[:, 0] * shape[1] * shape[2] + places[:, 1]
  return tf.gather(tf.reshape(masks, [-1]), first[:, None] + tf.range(shape[1]) * shape[2])


def of_pixels(classes: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
  """Does `combine` with masks float32 [h, w, queries]: scores [h, w, classes]."""
  shape = tf.shape(masks)
  scores = tf.matmul(tf.reshape(masks, [-1, shape[2]]), classes)
  return tf.reshape(scores, [shape[0], shape[1], tf.shape(classes)[1]])


def interpolate(scores: tf.Tensor, rows: Taps, columns: Taps) -> tf.Tensor:
  """Resizes scores or masks [h, w, n] to [H, W, n].

  Args:
    scores: float32.
    rows: where the H rows are among those of the scores.
    columns: where the W columns are.
  """
  high = _between(tf.gather(scores, rows.below), tf.gather(scores, rows.above),
                  rows.share[:, None, None])
  left = tf.gather(high, columns.below, axis=1)
  right = tf.gather(high, columns.above, axis=1)
  return _between(left, right, columns.share[None, :, None])


def interpolate_at(masks: tf.Tensor, rows: Taps, columns: Taps, places: tf.Tensor) -> tf.Tensor:
  """Returns `interpolate(masks, rows, columns)` at places int64 [m, 2] alone: [m, n]."""
  down = [tf.gather(one, places[:, 0]) for one in rows]
  across = [tf.gather(one, places[:, 1]) for one in columns]
  def between(row):
    left, right = (tf.gather_nd(masks, tf.stack([row, column], axis=1)) for column in across[:2])
    return _between(left, right, across[2][:, None])
  return _between(between(down[0]), between(down[1]), down[2][:, None])


def _between(below: tf.Tensor, above: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
  """Interpolates between float32 values by the shares of those above, float64 that broadcast."""
  return below * tf.cast(1 - share, tf.float32) + above * tf.cast(share, tf.float32)


def largest(scores: tf.Tensor) -> tf.Tensor:
  """Returns the class of the largest score, int32 [...], of scores [..., classes]."""
  return tf.argmax(scores, axis=-1, output_type=tf.int32)
