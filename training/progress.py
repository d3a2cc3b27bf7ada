"""One line on the console for every report: where the run is, what it costs, how long it takes."""

import resource
import time


def duration(seconds: float) -> str:
  """Returns seconds as '1h02m', '3m05s' or '12s'."""
  minutes, rest = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  return f'{hours}h{minutes:02d}m' if hours else f'{minutes}m{rest:02d}s' if minutes else f'{rest}s'


class Progress:
  """Measures speed between reports; the first step, which traces, is left out."""

  def __init__(self, total: int, batch_size: int):
    self._total, self._batch_size = total, batch_size
    self._last = None  # (step, time) of the last mark
    self._pace = None  # seconds a step, smoothed

  def mark(self, step: int) -> None:
    """Starts counting time from here."""
    self._last = (step, time.monotonic())

  def line(self, step: int, logs: dict[str, float]) -> str:
    """Returns the line and starts counting anew."""
    before, since = self._last
    if step > before:
      pace = (time.monotonic() - since) / (step - before)
      self._pace = pace if self._pace is None else 0.7 * self._pace + 0.3 * pace
    self.mark(step)
    parts = [f'step {step}/{self._total}']
    parts += [f'{name} {value:.4g}' for name, value in logs.items()]
    if self._pace:
      memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
      parts += [f'{1 / self._pace:.2f} steps/s', f'{self._batch_size / self._pace:.1f} images/s',
                f'{memory:.1f} GB', f'{duration(self._pace * (self._total - step))} left']
    return '  '.join(parts)
