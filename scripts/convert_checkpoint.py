"""Converts checkpoints of other libraries to TensorFlow checkpoints, and back to official names.

    tf-maskformer convert --experiment maskformer_coco_panoptic \\
        --checkpoint model_final_6f60dc.pkl --output converted/
    tf-maskformer convert --checkpoint maskformer-swin-tiny-ade/ --output converted/
    tf-maskformer convert --checkpoint runs/coco --output for_pytorch.pkl

In a checkout that is not installed: python scripts/convert_checkpoint.py, with the same flags.

Read: detectron2 .pkl, PyTorch .pth and .bin, Hugging Face files and folders, Keras .h5, TensorFlow
checkpoints and folders (docs/checkpoints.md). The folder of a run and of Hugging Face say which
model they hold; of any other file --experiment must name it. An output that ends in .pkl or
.safetensors is written in the official names; any other is a folder with a TensorFlow checkpoint
and the params.yaml by which it loads alone. Every tensor on both sides is accounted for, or nothing
is written.
"""

import os
import pathlib
import shutil
from collections.abc import Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import checkpoint_path
from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer import interrupts
from tf_maskformer import lock
from tf_maskformer import output as output_folder
from tf_maskformer.configs import override_syntax
from tf_maskformer.configs.experiments import table


def flags() -> cli.Parser:
  """Returns the flags of this program."""
  parser = cli.Parser(__doc__)
  parser.add_argument(
      '--experiment',
      help='registered name; its model is filled. Default: what the checkpoint says')
  parser.add_argument(
      '--checkpoint', '--model_dir', required=True, help='file, TensorFlow prefix or folder')
  parser.add_argument(
      '--output', required=True, help='folder that does not exist, or file.pkl, file.safetensors')
  parser.add_argument(
      '--modules', default='all', help="'all', 'backbone' or parts with commas between")
  parser.add_argument(
      '--config_file', action='append', default=[], help='YAML or JSON; may be repeated')
  parser.add_argument('--params_override', action='append', default=[], help='as for train.py')
  parser.add_argument(
      '--allow_nonfinite_weights', action='store_true',
      help='convert weights that are NaN or infinite, too')
  return parser


def check(args) -> None:
  """Checks what can be checked without TensorFlow.

  Raises:
    UserError: a name is unknown, the output exists, or the checkpoint does not.
  """
  output_folder.check(args.output)
  if os.path.lexists(args.output):
    raise errors.UserError(f'--output {args.output} exists; remove it or name another')
  if args.experiment and args.experiment not in table.ROWS:
    raise errors.unknown('experiment', args.experiment, table.ROWS)
  for text in args.params_override:
    override_syntax.check(text)
  checkpoint_path.require(args.checkpoint)


def main(argv: Sequence[str]) -> None:
  args = flags().parse(argv)
  check(args)
  with interrupts.ending_at_sigterm():
    _convert(args)


def _convert(args) -> None:
  """Reads the checkpoint and writes the output; raises UserError where that cannot be done."""
  from tf_maskformer.modeling.conversion import exports
  from tf_maskformer.modeling.conversion import restore
  from tf_maskformer.modeling.factory import build_model
  from tf_maskformer.serving import loading

  found = loading.configure(
      args.checkpoint, args.experiment, args.params_override, args.config_file)
  model = build_model(found.experiment.task.model, seed=0)
  parts = restore.wanted_parts(args.modules, model)
  report = restore.restore(
      model, args.checkpoint, parts, allow_nonfinite=args.allow_nonfinite_weights)
  print(report)
  output = pathlib.Path(args.output)
  with files.writing(str(output), 'nothing was written; correct that and run the command again'):
    output.parent.mkdir(parents=True, exist_ok=True)
    with lock.held(output.parent, f'.{output.name}.lock'):
      if output.suffix in exports.ENDINGS:
        # Per-pixel models have no class loss with a weight of no-object.
        weight = getattr(found.experiment.task.losses, 'no_object_weight', None)
        exports.write(exports.official_state(model, weight), str(output))
      else:
        _write_folder(output, model, None if report.missing else found)
  errors.say(f'wrote {output}')


def _write_folder(output: pathlib.Path, model, found) -> None:
  """Writes a TensorFlow checkpoint and its params.yaml; the folder appears complete or not at all.

  Args:
    output: the folder.
    model: with its weights.
    found: a `serving.loading.Configured`; None: not every weight was restored, so that the folder
      must not be taken for a model that loads alone.
  """
  import tensorflow as tf

  from tf_maskformer.configs.experiments import settings
  temporary = output.with_name(files.PREFIX + output.name)
  shutil.rmtree(temporary, ignore_errors=True)  # of a conversion that was killed
  try:
    checkpoint = tf.train.Checkpoint(model=model, global_step=tf.Variable(0, dtype=tf.int64))
    manager = tf.train.CheckpointManager(
        checkpoint, str(temporary), max_to_keep=1, checkpoint_name='ckpt')
    manager.save(0)
    if found:
      settings.write(str(temporary), found.name, found.experiment)
    temporary.rename(output)
  except BaseException:
    shutil.rmtree(temporary, ignore_errors=True)
    raise


if __name__ == '__main__':
  cli.run(main)
