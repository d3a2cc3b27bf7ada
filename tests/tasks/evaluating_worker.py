"""A worker of an evaluation: python -m tests.tasks.evaluating_worker RECORDS OUTPUT [LABELS].

Scores a small model with its initial weights, on the cluster that TF_CONFIG names or alone, and
writes its place and the result, or what was the user's fault, to OUTPUT. LABELS is a folder of
label PNGs that mIoU is measured against.
"""

import hashlib
import json
import os
import pathlib
import sys

import tensorflow as tf
import tf_keras

from tf_maskformer.configs.experiments import registry
from tf_maskformer.errors import UserError
from tf_maskformer.tasks import merging
from tf_maskformer.tasks import spread_scores
from tf_maskformer.tasks.mask_classification import MaskClassificationTask
from tf_maskformer.training import building


def experiment(records, labels=''):
  """Returns a small one that scores everything."""
  e = registry.get('maskformer_shapes_panoptic')
  for data, split in ((e.task.train_data, 'train'), (e.task.validation_data, 'val')):
    data.input_path = f'{records}/{split}*'
  e.task.validation_data.global_batch_size = 0  # an image per replica, whatever their number
  e.task.model.pixel_decoder.width = e.task.model.pixel_decoder.mask_width = 32
  e.task.model.transformer_decoder.layers = 2
  e.task.evaluation.semantic = e.task.evaluation.instance = e.task.evaluation.boundary = True
  e.task.evaluation.object_mask_threshold = e.task.evaluation.overlap_threshold = 0.0
  e.task.evaluation.semantic_labels = labels
  e.task.evaluation.num_images = 3
  e.task.resolve()
  return e


def result_of(e):
  """Returns the place of this worker among all, and what its trainer's evaluation returns."""
  spread_scores._STEPS = 2  # several exchanges
  merging._PIECE = 10000  # in several pieces
  strategy = tf.distribute.get_strategy()
  if 'TF_CONFIG' in os.environ:
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
  tf_keras.utils.set_random_seed(e.runtime.seed)
  with strategy.scope():
    task = MaskClassificationTask(e.task, e.runtime)
    trainer = building.trainer(e, task, trains=False, evaluates=True, start_step=0)
  return merging.place(strategy), trainer.evaluate(tf.constant(-1))


def main(records, output, labels=''):
  """Scores the records and writes what is known then."""
  try:
    place, result = result_of(experiment(records, labels))
  except UserError as e:
    pathlib.Path(output).write_text(json.dumps({'fault': str(e)}))
    return
  images = result.pop('images')
  files = result.pop('files')
  scored = result.pop('scored')
  table = result.pop('table')
  written = {
      'place': place,
      'result': {
          'metrics': {name: float(value) for name, value in result.items()},
          'scored': scored,
          'table': table,
          'images': {name: hashlib.sha256(image.tobytes()).hexdigest()
                     for name, image in images.items()},
          'files': {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
      }}
  pathlib.Path(output).write_text(json.dumps(written))


if __name__ == '__main__':
  main(*sys.argv[1:])
