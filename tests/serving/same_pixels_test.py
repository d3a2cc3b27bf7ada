"""Evaluation and prediction agree on a JPEG: pixels, resized image, and logits."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests import support
from tests.dataloaders import decoder_test
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import registry
from tf_maskformer.dataloaders import augment
from tf_maskformer.dataloaders import reader
from tf_maskformer.dataloaders import schema
from tf_maskformer.modeling.conversion import exports
from tf_maskformer.modeling.conversion import restore
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.serving import inputs
from tf_maskformer.serving.predictor import Predictor
from tf_maskformer.tasks.factory import build_task


def real():
  return support.shared('data/coco_panoptic_mini/val2017/000000039769.jpg').read_bytes()


def drawn():
  return decoder_test.encoded(decoder_test.drawn(size=(160, 120)), 'JPEG')


@pytest.mark.parametrize('jpeg', [drawn, real])
def test_evaluation_sees_what_prediction_sees(jpeg, tmp_path):
  data = jpeg()
  pixels = np.asarray(Image.open(io.BytesIO(data)).convert('RGB'))
  record = schema.write(
      data, 'jpeg', pixels.shape[:2], '1', 'a.jpg', [np.ones(pixels.shape[:2], np.int32)],
      [schema.Segment(0, False, 0, pixels.shape[0] * pixels.shape[1], 1)])
  with tf.io.TFRecordWriter(str(tmp_path / 'val.tfrecord')) as writer:
    writer.write(record)

  task = registry.get('maskformer_shapes_panoptic').task
  task.model.size_divisibility = 32
  parser = task.validation_data.parser
  parser.output_size = []
  parser.augmentation.short_edges = [96]
  parser.augmentation.long_edge_limit = 200
  task.validation_data.input_path = str(tmp_path / 'val.tfrecord')
  task.validation_data.global_batch_size = 0
  batch, = reader.build(task.validation_data, 'shapes_panoptic', seed=0)
  features = batch[0]
  size = features['image'].shape[1:3]
  resized = augment.resize_image(tf.constant(pixels), tf.constant(size))
  np.testing.assert_array_equal(features['image'][0], resized)
  # Pillow's own resizing rounds twice and is off by a level here and there.
  pillow = np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR))
  assert np.abs(features['image'][0].numpy().astype(int) - pillow).max() <= 1

  task.resolve()
  # The weights go through a file of the official form on both roads.
  weights = str(tmp_path / 'model_final.pkl')
  exports.write(exports.official_state(build_model(task.model, seed=0), 0.1), weights)
  model = build_model(task.model, seed=1)
  restore.restore(model, weights)
  step = build_task(task).validation_step(batch, model)
  predictor = Predictor(model, task, catalog.get(task.data_set))
  (tmp_path / 'a.jpg').write_bytes(data)
  seen = predictor._resize(inputs.as_rgb(tmp_path / 'a.jpg'))
  np.testing.assert_array_equal(features['image'][0], seen)
  found, _ = predictor._logits(seen[None])
  for name, value in found.items():
    np.testing.assert_allclose(value[0], step[name][0], rtol=0, atol=1e-5, err_msg=name)
