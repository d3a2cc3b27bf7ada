"""Fuzz targets: the readers of foreign checkpoints."""

import io
import pickle

import numpy as np

from tests.fuzz import harness
from tf_maskformer.modeling.conversion import pickles


def _pickles() -> list[bytes]:
  state = {'model': {'a': np.arange(6, dtype=np.float32).reshape(2, 3)}, 'n': [1, (2.5, None)]}
  return [pickle.dumps(state, protocol) for protocol in range(6)]


TARGETS = {
    'pickles': harness.Target(
        lambda data: pickles.load('file.pkl', io.BytesIO(data)), _pickles, (pickles,)),
}

if __name__ == '__main__':
  harness.run(TARGETS)
