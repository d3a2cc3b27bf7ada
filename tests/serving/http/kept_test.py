"""Kept images: the last ones, within a bound of memory."""

import numpy as np

from tf_maskformer.serving.http.kept import Kept
from tf_maskformer.serving.http.kept import Store


def kept(num_bytes):
  return Kept(np.zeros([num_bytes, 1, 1], np.uint8), {}, ())


def test_those_not_used_for_longest_go_first():
  store = Store(100)
  tokens = [store.put(kept(40)) for _ in range(2)]
  assert store.get(tokens[0]) is not None  # used: the other one is older now
  third = store.put(kept(40))
  assert store.get(tokens[1]) is None
  assert store.get(tokens[0]) is not None and store.get(third) is not None


def test_one_is_kept_however_large_it_is():
  store = Store(100)
  small = store.put(kept(10))
  large = store.put(kept(1000))
  assert store.get(small) is None and store.get(large) is not None
  another = store.put(kept(10))
  assert store.get(large) is None and store.get(another) is not None


def test_bytes_of_everything_count():
  made = Kept(np.zeros([2, 3, 3], np.uint8), {'mask_logits': np.zeros([5], np.float32)}, ())
  assert made.num_bytes == 18 + 20


def test_tokens_cannot_be_guessed():
  store = Store(1000)
  tokens = {store.put(kept(1)) for _ in range(50)}
  assert len(tokens) == 50 and min(map(len, tokens)) >= 20
  assert store.get('') is None and store.get('no such') is None
