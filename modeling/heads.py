"""The mask part of the outputs, which all transformer decoders share."""

import tensorflow as tf

from tf_maskformer.ops import masks


def mask_outputs(mask_embeddings: tf.Tensor, mask_features: tf.Tensor, training: bool
                 ) -> dict[str, tf.Tensor]:
  """Returns the mask part of the model's outputs; in training also what it is the product of.

  Args:
    mask_embeddings: [layers, batch, queries, channels].
    mask_features: [batch, height, width, channels].
    training: whether a loss will be taken.
  """
  outputs = {'mask_logits': masks.mask_logits(mask_embeddings, mask_features)}
  if training:
    outputs.update(mask_embeddings=mask_embeddings, mask_features=mask_features)
  return outputs
