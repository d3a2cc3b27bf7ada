"""The training step tells the model which share of the training is done."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.tasks.micro_batches_test import SMALL
from tests.tasks.micro_batches_test import batch
from tests.tasks.micro_batches_test import make_task
from tf_maskformer.modeling.mask_classification import MaskClassificationModel
from tf_maskformer.tasks.factory import build_task


class WatchedModel(MaskClassificationModel):
  """Remembers the progress that it was called with."""

  def __init__(self, model):
    super().__init__(model.backbone, model.pixel_decoder, model.predictor)
    self.seen = tf.Variable(-1.0, trainable=False)

  def call(self, images, training=False, seed=None, last_layer_only=False, progress=None):
    if progress is not None:
      self.seen.assign(progress)
    return super().call(images, training, seed, last_layer_only, progress)


@pytest.mark.parametrize('train_steps, wanted', [
    (4, [0.0, 0.25]), (1, [0.0, 1.0]), (None, [-1.0, -1.0])])
def test_progress(train_steps, wanted):
  task = build_task(make_task().task_config, train_steps=train_steps)
  model = WatchedModel(task.build_model())
  optimizer = tf_keras.optimizers.SGD(0.0)
  optimizer.build(model.trainable_variables)
  seen = []
  step = tf.function(lambda inputs: task.train_step(inputs, model, optimizer), autograph=False)
  for _ in wanted:
    step(batch(SMALL))
    seen.append(float(model.seen))
  np.testing.assert_allclose(seen, wanted)
