"""For all tests: garbage is collected after long ones, and the summary names missing data."""

import gc
import signal
import time

import pytest

from tests import support

LONG = 3  # seconds

# What a test starts heeds Ctrl-C, also where these tests are a shell's background job, which
# ignores it and hands that on.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def set_aside():
  """After a long test, collects garbage and keeps what remains out of later collections."""
  start = time.monotonic()
  yield
  if time.monotonic() - start > LONG:
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter):
  """Says how many tests were skipped because data next to the checkout is missing, and names it."""
  skipped = terminalreporter.stats.get('skipped', [])
  reasons = [report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)]
  missing = [reason.partition(support.SKIP_REASON)[2] for reason in reasons
             if support.SKIP_REASON in reason]
  if missing:
    names = ', '.join(sorted(set(missing)))
    terminalreporter.write_line(
        f'{len(missing)} tests need reference data next to the checkout: {names}')
