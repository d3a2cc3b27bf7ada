"""One line on the console per report: where the run is, what it costs, how long it takes."""

import resource
import time
from collections.abc import Mapping

_SMOOTHING = 0.7  # share of the former pace in the smoothed one
_KILOBYTES_PER_GIGABYTE = 1e6  # Linux counts the peak memory of a process in kilobytes


def duration(seconds: float) -> str:
  """Returns seconds as '1h02m', '3m05s' or '12s'."""
  minutes, rest = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f'{hours}h{minutes:02d}m'
  if minutes:
    return f'{minutes}m{rest:02d}s'
  return f'{rest}s'


class Progress:
  """Measures speed between reports; call `mark` after the first step to leave out its tracing."""

  def __init__(self, total: int, batch_size: int):
    """Starts the clock.

    Args:
      total: steps of the training.
      batch_size: images per step, over all replicas.
    """
    self._total = total
    self._batch_size = batch_size
    self._step = 0  # of the last mark
    self._since = time.monotonic()
    self._pace: float | None = None  # seconds per step, smoothed

  def mark(self, step: int) -> None:
    """Restarts the clock at this step."""
    self._step = step
    self._since = time.monotonic()

  def line(self, step: int, logs: Mapping[str, float]) -> str:
    """Returns the line of a step and restarts the clock.

    Args:
      step: that was finished.
      logs: numbers to be shown, by name.
    """
    if step > self._step:
      pace = (time.monotonic() - self._since) / (step - self._step)
      if self._pace is None:
        self._pace = pace
      else:
        self._pace = _SMOOTHING * self._pace + (1 - _SMOOTHING) * pace
    self.mark(step)
    parts = [f'step {step}/{self._total}']
    parts += [f'{name} {value:.4g}' for name, value in logs.items()]
    if self._pace:
      parts += self._costs(self._pace, self._total - step)
    return '  '.join(parts)

  def _costs(self, pace: float, steps_left: int) -> list[str]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KILOBYTES_PER_GIGABYTE
    return [
        f'{1 / pace:.2f} steps/s',
        f'{self._batch_size / pace:.1f} images/s',
        f'{peak:.1f} GB',
        f'{duration(pace * steps_left)} left']
