"""Which operations a graph is written in: TensorFlow's fastest, or those that other runtimes know.

An export traces the model inside `use`; a training or a prediction knows nothing of it.
"""

import contextlib
import contextvars
import dataclasses
from collections.abc import Callable, Iterator

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Lowering:
  """How graphs are written.

  Attributes:
    portable: no function that only XLA runs, and no operation that is there for the gradient's
      sake. Values differ by the order of sums at most.
    grid_sample: called as `grid_sample(maps, grid)` in place of gathers; None: gathers.
      maps: float32 [n, channels, height, width].
      grid: float32 [n, rows, columns, 2], (x, y), -1 .. 1 from border to border of a map.
      Returns float32 [n, channels, rows, columns], bilinear samples, zeros outside.
  """
  portable: bool = False
  grid_sample: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None


_OWN = Lowering()
_current: contextvars.ContextVar[Lowering] = contextvars.ContextVar('lowering', default=_OWN)


def current() -> Lowering:
  """Returns how the graph that is being traced is written."""
  return _current.get()


@contextlib.contextmanager
def use(lowering: Lowering) -> Iterator[None]:
  """What is traced inside is written that way."""
  token = _current.set(lowering)
  try:
    yield
  finally:
    _current.reset(token)
