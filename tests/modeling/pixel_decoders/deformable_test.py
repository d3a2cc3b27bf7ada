"""The deformable pixel decoder: layers that run twice give the gradient of those that are kept."""

import numpy as np
import tensorflow as tf

from configs.model import PixelDecoder
from modeling.pixel_decoders.deformable import DeformableDecoder

CHANNELS = {'2': 8, '3': 8, '4': 16, '5': 16}


def test_recomputed_layers():
  rng = np.random.default_rng(0)
  features = {level: tf.constant(rng.normal(size=[2, 32 >> i, 64 >> i, CHANNELS[level]]), tf.float32)
              for i, level in enumerate(CHANNELS)}
  def of(recompute, weights=None):
    decoder = DeformableDecoder(PixelDecoder(
        width=32, mask_width=32, encoder_layers=2, encoder_heads=4, encoder_feedforward=16,
        recompute_encoder=recompute), CHANNELS)
    if weights:
      decoder.set_weights(weights)
    @tf.function
    def run():
      with tf.GradientTape() as tape:
        outputs = decoder(features)
        total = tf.reduce_sum(tf.sin(outputs['mask_features']))
      return total, tape.gradient(total, decoder.trainable_variables)
    total, gradients = run()
    return decoder.get_weights(), [total, *gradients]
  weights, kept = of(False)
  _, again = of(True, weights)
  assert len(kept) > 40
  for a, b in zip(again, kept):
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * max(np.abs(b).max(), 1))
