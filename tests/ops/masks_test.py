"""Mask logits against the plain product, with shared features and with features per layer."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.ops import masks as mask_ops

EMBEDDINGS = [3, 2, 4, 5]


@pytest.mark.parametrize('static', [True, False])
@pytest.mark.parametrize('shape, equation', [
    ([2, 6, 7, 5], 'lbqc,bhwc->lbqhw'),
    ([3, 2, 6, 7, 5], 'lbqc,lbhwc->lbqhw')], ids=['shared', 'own'])
def test_mask_logits(shape, equation, static):
  rng = np.random.default_rng(0)
  embeddings = rng.normal(size=EMBEDDINGS).astype(np.float32)
  features = rng.normal(size=shape).astype(np.float32)
  # The channels are static in any model.
  specs = [tf.TensorSpec(size if static else [None] * (len(size) - 1) + [5])
           for size in (EMBEDDINGS, shape)]
  found = tf.function(mask_ops.mask_logits, input_signature=specs)(embeddings, features)
  np.testing.assert_allclose(found, np.einsum(equation, embeddings, features), rtol=1e-4, atol=1e-5)


def test_mask_logits_are_float32_in_half_precision():
  embeddings = tf.ones(EMBEDDINGS, tf.bfloat16)
  for shape in ([2, 6, 7, 5], [3, 2, 6, 7, 5]):
    found = mask_ops.mask_logits(embeddings, tf.ones(shape, tf.bfloat16))
    assert found.dtype == tf.float32 and found.shape == [3, 2, 4, 6, 7]
    assert (found.numpy() == 5).all()
