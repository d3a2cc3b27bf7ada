"""Converts checkpoints: files of others to a TensorFlow checkpoint of an experiment, and back to the official names.

    python scripts/convert_checkpoint.py --experiment maskformer_coco_panoptic \\
        --checkpoint model_final_6f60dc.pkl --output converted/
    python scripts/convert_checkpoint.py --experiment maskformer_coco_panoptic \\
        --checkpoint runs/coco --output for_pytorch.pkl

Read: detectron2 .pkl, PyTorch .pth and .bin, Hugging Face .safetensors, Keras .h5, TensorFlow checkpoints and folders
(docs/checkpoints.md). An output that ends in .pkl or .safetensors is written in the official names, any other is a
folder with a TensorFlow checkpoint. Every tensor on both sides is accounted for, or nothing is written.
"""

import os
import pathlib
from collections.abc import Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer.errors import UserError


def main(argv: Sequence[str]) -> None:
  parser = cli.Parser(__doc__)
  parser.add_argument('--experiment', required=True, help='registered name; its model is filled')
  parser.add_argument('--checkpoint', required=True, help='file, TensorFlow prefix or folder')
  parser.add_argument('--output', required=True, help='folder that does not exist, or file.pkl, file.safetensors')
  parser.add_argument('--modules', default='all', help="'all', 'backbone' or parts with commas between")
  parser.add_argument('--params_override', action='append', default=[], help='as for train.py')
  args = parser.parse(argv)
  output = pathlib.Path(args.output)
  if output.exists():
    raise UserError(f'--output {output} exists; remove it or name another')

  import tensorflow as tf

  from tf_maskformer.configs import overrides
  from tf_maskformer.configs.experiments import registry
  from tf_maskformer.configs.task import MaskClassification
  from tf_maskformer.modeling.conversion import exports
  from tf_maskformer.modeling.conversion import restore
  from tf_maskformer.modeling.factory import build_model

  experiment = registry.get(args.experiment)
  for text in args.params_override:
    overrides.apply(experiment, text)
  task = experiment.task
  model = build_model(task.model, seed=0)
  print(restore.restore(model, args.checkpoint, restore.wanted_modules(args.modules)))
  output.parent.mkdir(parents=True, exist_ok=True)
  if output.suffix in exports.ENDINGS:
    has_criterion = isinstance(task, MaskClassification)
    exports.write(exports.official_state(model, task.losses.no_object_weight if has_criterion else None), str(output))
  else:
    temporary = output.with_name(f'.{output.name}.part')
    checkpoint = tf.train.Checkpoint(model=model, global_step=tf.Variable(0, dtype=tf.int64))
    tf.train.CheckpointManager(checkpoint, str(temporary), max_to_keep=1, checkpoint_name='ckpt').save(0)
    temporary.rename(output)
  print(f'wrote {output}')


if __name__ == '__main__':
  cli.run(main)
