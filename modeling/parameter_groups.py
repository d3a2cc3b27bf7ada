"""Which variables the recipes treat differently: the backbone's, and those without weight decay."""

import tensorflow as tf
import tf_keras

from tf_maskformer.modeling.backbones import swin
from tf_maskformer.modeling.layers import linear
from tf_maskformer.modeling.layers import norms

_UNDECAYED = (norms.LayerNorm, norms.GroupNorm, norms.BatchNorm, linear.Embedding)


def backbone_variables(model: tf_keras.Model) -> list[tf.Variable]:
  """Returns the trainable variables of the backbone, whose learning rate has a multiplier of its own."""
  return model.backbone.trainable_variables


def undecayed_variables(model: tf_keras.Model) -> list[tf.Variable]:
  """Returns the trainable variables of norms and embeddings and position biases; all others decay, biases too."""
  found = [v for layer in model.submodules if isinstance(layer, _UNDECAYED) for v in layer.trainable_variables]
  windows = [layer for layer in model.submodules if isinstance(layer, swin.WindowAttention)]
  return found + [layer.relative_position_bias_table for layer in windows if layer.trainable]
