"""The line of progress and the signals that stop a run."""

import os
import signal
import subprocess
import sys

import pytest

from tests import support
from tf_maskformer.training import progress
from tf_maskformer.training import signals
from tf_maskformer.training.signals import Stop


@pytest.mark.parametrize('seconds, text', [
    (0, '0s'), (59.4, '59s'), (60, '1m00s'), (3599, '59m59s'), (3725, '1h02m')])
def test_duration(seconds, text):
  assert progress.duration(seconds) == text


def test_line_has_step_losses_speed_and_time_left(monkeypatch):
  now = [100.0]
  monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
  meter = progress.Progress(total=100, batch_size=8)
  meter.mark(1)  # what came before was tracing
  now[0] += 5
  line = meter.line(11, {'training_loss': 1.23456})
  assert line.startswith('step 11/100  training_loss 1.235  2.00 steps/s  16.0 images/s')
  assert line.endswith('44s left') and '\n' not in line


def test_first_line_may_be_the_first_step():
  meter = progress.Progress(total=10, batch_size=1)
  meter.mark(1)
  assert meter.line(1, {}) == 'step 1/10'


@pytest.mark.parametrize('number, code', [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_first_signal_is_handled(number, code):
  before = signal.getsignal(number)
  with Stop() as stop:
    assert stop.signal is None
    os.kill(os.getpid(), number)
    assert stop.signal == number and signals.exit_code(stop.signal) == code
  assert signal.getsignal(number) == before


def test_second_signal_ends_at_once():
  script = """
import os, signal
from tf_maskformer.training.signals import Stop
with Stop():
  os.kill(os.getpid(), signal.SIGTERM)
  print('still here', flush=True)
  os.kill(os.getpid(), signal.SIGTERM)
  print('not any more', flush=True)
"""
  done = subprocess.run(
      [sys.executable, '-c', script], cwd=support.ROOT, capture_output=True, text=True,
      check=False)
  assert done.returncode == -signal.SIGTERM
  assert 'still here' in done.stdout and 'not any more' not in done.stdout
