"""Layers that stay in float32 whatever the global policy is."""

import contextlib
from collections.abc import Iterator

import tf_keras


@contextlib.contextmanager
def float32() -> Iterator[None]:
  """Layers that are made inside compute in float32."""
  before = tf_keras.mixed_precision.global_policy()
  tf_keras.mixed_precision.set_global_policy('float32')
  try:
    yield
  finally:
    tf_keras.mixed_precision.set_global_policy(before)
