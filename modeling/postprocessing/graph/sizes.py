"""The three sizes that post-processing needs of an image, as tensors."""

from typing import NamedTuple

import tensorflow as tf


class Sizes(NamedTuple):
  """Sizes of one image in pixels, int32 [2] each: height and width.

  Attributes:
    padded: of the model's input, which the image was padded to.
    image: of the resized image, in the upper left corner of the model's input.
    original: of the image before it was resized; results have this size.
  """
  padded: tf.Tensor
  image: tf.Tensor
  original: tf.Tensor
