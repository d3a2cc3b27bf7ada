"""What a long test leaves behind is collected or set aside, or Python's collector walks gigabytes of old graphs."""

import gc
import time

import pytest

LONG = 3  # seconds


@pytest.fixture(autouse=True)
def set_aside():
  start = time.monotonic()
  yield
  if time.monotonic() - start > LONG:
    gc.collect()
    gc.freeze()
