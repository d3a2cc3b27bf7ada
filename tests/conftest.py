"""For all tests: memory is set aside after long ones, and the summary names the data that was missing."""

import gc
import time

import pytest

from tests import support

LONG = 3  # seconds


@pytest.fixture(autouse=True)
def set_aside():
  """Collects or sets aside what a long test leaves behind, or Python's collector walks gigabytes of old graphs."""
  start = time.monotonic()
  yield
  if time.monotonic() - start > LONG:
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter):
  """Says how many tests were skipped for want of data next to the checkout, and which data that is."""
  reasons = [str(report.longrepr[2]) for report in terminalreporter.stats.get('skipped', [])
             if isinstance(report.longrepr, tuple)]
  missing = [reason.partition(support.SKIP_REASON)[2] for reason in reasons if support.SKIP_REASON in reason]
  if missing:
    terminalreporter.write_line(
        f'{len(missing)} tests need reference data next to the checkout: {", ".join(sorted(set(missing)))}')
