"""Initial values of PyTorch and detectron2."""

import math

import tf_keras


def torch_default(fan_in: int) -> tf_keras.initializers.Initializer:
  """U(-1/sqrt(fan_in), 1/sqrt(fan_in)): weights and biases of PyTorch's Linear and Conv2d."""
  bound = 1 / math.sqrt(fan_in)
  return tf_keras.initializers.RandomUniform(-bound, bound)


def c2_xavier(fan_in: int) -> tf_keras.initializers.Initializer:
  """U(-sqrt(3/fan_in), sqrt(3/fan_in)): fvcore's c2_xavier_fill; not Glorot."""
  bound = math.sqrt(3 / fan_in)
  return tf_keras.initializers.RandomUniform(-bound, bound)


def c2_msra(fan_out: int) -> tf_keras.initializers.Initializer:
  """N(0, 2/fan_out): fvcore's c2_msra_fill."""
  return tf_keras.initializers.RandomNormal(0.0, math.sqrt(2 / fan_out))


def xavier(fan_in: int, fan_out: int) -> tf_keras.initializers.Initializer:
  """U(±sqrt(6/(fan_in + fan_out))): PyTorch's xavier_uniform_."""
  bound = math.sqrt(6 / (fan_in + fan_out))
  return tf_keras.initializers.RandomUniform(-bound, bound)
