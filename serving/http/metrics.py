"""What a server counts, as text in Prometheus' format (version 0.0.4)."""

import bisect
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence

MEDIA_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_COUNTS = (1, 2, 4, 8, 16, 32)
_PREFIX = 'tf_maskformer_'


class Counter:
  """A number of events, by the values of labels. Threads may share it."""

  def __init__(self, name: str, text: str, labels: Sequence[str] = ()):
    self._name = _PREFIX + name
    self._text = text
    self._labels = labels
    self._values: dict[tuple[str, ...], int] = {} if labels else {(): 0}
    self._lock = threading.Lock()

  def add(self, *values: str) -> None:
    """Counts one event with these values of the labels."""
    with self._lock:
      self._values[values] = self._values.get(values, 0) + 1

  def total(self) -> int:
    """Returns the number of all events."""
    with self._lock:
      return sum(self._values.values())

  def lines(self) -> Iterator[str]:
    """Yields the lines of Prometheus' format."""
    yield from _head(self._name, self._text, 'counter')
    with self._lock:
      rows = sorted(self._values.items())
    for values, count in rows:
      named = ','.join(f'{label}="{value}"' for label, value in zip(self._labels, values))
      yield f'{self._name}{{{named}}} {count}' if named else f'{self._name} {count}'


class Gauge:
  """A number that a function tells when it is asked for."""

  def __init__(self, name: str, text: str, value: Callable[[], float]):
    self._name = _PREFIX + name
    self._text = text
    self._value = value

  def lines(self) -> Iterator[str]:
    """Yields the lines of Prometheus' format."""
    yield from _head(self._name, self._text, 'gauge')
    yield f'{self._name} {self._value():g}'


class Histogram:
  """How often values were at most so large. Threads may share it."""

  def __init__(self, name: str, text: str, bounds: Sequence[float]):
    self._name = _PREFIX + name
    self._text = text
    self._bounds = bounds
    self._counts = [0] * (len(bounds) + 1)
    self._sum = 0.0
    self._lock = threading.Lock()

  def observe(self, value: float) -> None:
    """Counts a value."""
    with self._lock:
      self._counts[bisect.bisect_left(self._bounds, value)] += 1
      self._sum += value

  def lines(self) -> Iterator[str]:
    """Yields the lines of Prometheus' format."""
    yield from _head(self._name, self._text, 'histogram')
    with self._lock:
      upto = list(itertools.accumulate(self._counts))
      total = self._sum
    for bound, count in zip((*self._bounds, '+Inf'), upto):
      yield f'{self._name}_bucket{{le="{bound}"}} {count}'
    yield f'{self._name}_sum {total:.6f}'
    yield f'{self._name}_count {upto[-1]}'


class Metrics:
  """All that a server counts.

  Attributes:
    requests: answered ones, by path and status.
    request_seconds: from a request for a prediction to its answer, whatever it is.
    batch_size: images that went to the model together.
    model_seconds: that such a batch took.
  """

  def __init__(self) -> None:
    self.requests = Counter('requests_total', 'Answered requests.', ('path', 'code'))
    self.request_seconds = Histogram(
        'request_seconds', 'From a request for a prediction to its answer.', _SECONDS)
    self.batch_size = Histogram(
        'batch_size', 'Images that went to the model together.', _COUNTS)
    self.model_seconds = Histogram('model_seconds', 'Time of a batch in the model.', _SECONDS)
    self._gauges: list[Gauge] = []

  def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
    """Adds a number that is asked for whenever the text is."""
    self._gauges.append(Gauge(name, text, value))

  def text(self) -> str:
    """Returns everything in Prometheus' format."""
    metrics: list[Counter | Histogram | Gauge] = [
        self.requests, self.request_seconds, self.batch_size, self.model_seconds, *self._gauges]
    lines = itertools.chain.from_iterable(metric.lines() for metric in metrics)
    return '\n'.join(lines) + '\n'


def _head(name: str, text: str, kind: str) -> tuple[str, str]:
  return f'# HELP {name} {text}', f'# TYPE {name} {kind}'
