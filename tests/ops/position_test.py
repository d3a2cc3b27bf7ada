"""The sine position encoding, one number at a time."""

import math

import pytest

from tf_maskformer.ops import position


def test_sine_encoding_one_number_at_a_time():
  height, width, features = 3, 5, 8
  found = position.sine(height, width, features).numpy().reshape(height, width, features)
  half = features // 2
  for y in range(height):
    for x in range(width):
      for k in range(half):
        wavelength = 10000 ** (2 * (k // 2) / half)
        wave = math.cos if k % 2 else math.sin
        for offset, place, size in ((0, y, height), (half, x, width)):
          angle = (place + 1) / (size + 1e-6) * 2 * math.pi / wavelength
          assert found[y, x, offset + k] == pytest.approx(wave(angle), abs=1e-5)
