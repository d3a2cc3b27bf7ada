"""What workers send each other arrives as it was, to the last bit."""

import numpy as np

from tf_maskformer.tasks import wire
from tf_maskformer.tasks.sums import Counted


def images():
  rng = np.random.default_rng(0)
  for k in range(4):
    contributions = [
        [{'rows': rng.integers(0, 9, [k, 3]), 'values': rng.random(2)}],
        [{'counts': rng.integers(0, 255, 5 * k, dtype=np.uint8)}, {'values': rng.random(k)}]]
    drawn = rng.integers(0, 255, [6, 7, 3], dtype=np.uint8) if k in (1, 3) else None
    yield Counted(2**62 + k, rng.random() / 3, contributions, drawn)


def test_images():
  sent = list(images())
  received = wire.unpack_images(wire.pack_images(sent))
  np.testing.assert_equal([one._asdict() for one in received], [one._asdict() for one in sent])
  dtypes = [values.dtype for values in received[2].contributions[1][0].values()]
  assert dtypes == [np.uint8]


def test_no_images():
  assert wire.unpack_images(wire.pack_images([])) == []


def test_a_result():
  sent = {
      'pq_all': 100 / 3, 'ap_small': float('nan'), 'pq_class/a/b': 1e-300, 'scored': [2**62, 5],
      'table': 'à table\n', 'images': {'prediction_0': np.ones([1, 2, 3, 3], np.uint8)},
      'files': {'confusion.csv': b'a,b\n', 'nothing': b''}}
  received = wire.unpack_result(wire.pack_result(sent))
  assert list(received) == list(sent)
  np.testing.assert_equal(received, sent)
