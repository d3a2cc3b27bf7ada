"""Exports a trained model: one folder that answers images without this library's training code.

    tf-maskformer export --checkpoint runs/coco --format onnx --output exported/
    tf-maskformer export --checkpoint runs/coco --format tflite --input_size 512x512 --output phone/
    tf-maskformer export --experiment maskformer_coco_panoptic --checkpoint model.pkl \\
        --format saved_model --layout serving --output models/coco

A run's folder and a Hugging Face folder say which model they hold; for other checkpoints
--experiment names it. With --experiment, environment variables apply as for train.py.

  format        takes images of        precisions                          needs
  saved_model   any size, or one       float32, bfloat16
  onnx          any size, or one       float32                             the extra export
  openvino      any size, or one       float32, float16, bfloat16, int8    the extra export
  tflite        one size               float32, float16, int8              the extra export

The exported graph holds everything from the bytes of an image to its answer: resizing as in
validation, normalization, padding, the network, and segments at the image's own size. With a fixed
--input_size the image has to come at that size (larger or smaller ones are fitted in and padded,
which `tf-maskformer predict` and the readers in the folders do).

The export is verified at once: it is loaded in its own runtime in a fresh process and compared with
the checkpoint on images of several shapes, odd ones included, and with --records by its scores.
What is beyond the tolerance of its precision is an error, and nothing is left.

Files in the output folder: the model, metadata.json (classes, sizes, thresholds, names of inputs
and outputs), export_report.json (differences, times, sizes, operations). tf_maskformer.load and
`tf-maskformer predict --checkpoint` take the folder. docs/export.md has the details.
"""

import dataclasses
import os
import tempfile
from collections.abc import Callable, Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import checkpoint_path
from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer import interrupts
from tf_maskformer.configs import override_syntax
from tf_maskformer.configs.experiments import table
from tf_maskformer.scripts import export_worker
from tf_maskformer.serving.export import child
from tf_maskformer.serving.export import metadata
from tf_maskformer.serving.export import place as places
from tf_maskformer.serving.export import plan as plans
from tf_maskformer.serving.export import report
from tf_maskformer.serving.export import triton

_MAIN_SCORES = {'panoptic': 'pq_all', 'semantic': 'miou', 'instance': 'ap'}


def flags() -> cli.Parser:
  """Returns the flags of this program."""
  parser = cli.Parser(__doc__)
  parser.add_argument(
      '--checkpoint', '--model_dir', required=True, help='folder of a run, or another checkpoint')
  parser.add_argument(
      '--experiment', help='registered name; needed where the checkpoint does not say its model')
  parser.add_argument('--format', required=True, help=', '.join(plans.FORMATS))
  parser.add_argument('--output', required=True, help='folder that does not exist, or is empty')
  parser.add_argument(
      '--input_size', default=plans.DYNAMIC, metavar='HxW',
      help='height x width of the network, e.g. 512x640; default: dynamic, images of any size')
  parser.add_argument(
      '--precision', default='float32', help=f'{", ".join(plans.PRECISIONS)}; default: float32')
  parser.add_argument(
      '--task', default='',
      help=f'{", ".join(plans.TASKS)} (logits); default: what the checkpoint predicts')
  parser.add_argument(
      '--layout', default='plain',
      help="plain: the folder itself; serving: TensorFlow Serving's folder of versions, with a "
      'warm-up file; triton: the same with config.pbtxt')
  parser.add_argument(
      '--calibration_images', default='', metavar='FOLDER',
      help='images that the model will meet; int8 of openvino needs them')
  parser.add_argument(
      '--records', default='', help="validation records, 'FOLDER/val*': score both on them, too")
  parser.add_argument(
      '--records_limit', type=int, default=0, help='images that are scored; default: all')
  parser.add_argument('--params_override', action='append', default=[], help='as for train.py')
  parser.add_argument('--config_file', action='append', default=[], help='as for train.py')
  parser.add_argument(
      '--allow_nonfinite_weights', action='store_true',
      help='export weights that are NaN or infinite, too')
  return parser


def check(args) -> plans.Plan:
  """Returns the plan; checks what can be checked without TensorFlow.

  Raises:
    UserError: a flag is wrong, or the format cannot do what is asked.
  """
  for flag, value, known in (
      ('format', args.format, plans.FORMATS), ('precision', args.precision, plans.PRECISIONS),
      ('layout', args.layout, plans.LAYOUTS), ('task', args.task or 'raw', plans.TASKS)):
    if value not in known:
      raise errors.unknown(flag, value, known)
  if args.experiment and args.experiment not in table.ROWS:
    raise errors.unknown('experiment', args.experiment, table.ROWS)
  for text in args.params_override:
    override_syntax.check(text)
  if args.records_limit < 0:
    raise errors.UserError(
        f'--records_limit {args.records_limit} is below 0; give 0 (all) or more')
  if args.records and args.task == 'raw':
    raise errors.UserError('--records has no effect on --task raw; leave it out')
  plan = plans.Plan(
      args.format, args.task, plans.parse_size(args.input_size), args.precision, args.layout,
      args.calibration_images)
  plan.check()
  plan.require_packages()
  places.check(args.output, args.layout)
  checkpoint_path.require(args.checkpoint)
  return plan


def main(argv: Sequence[str]) -> None:
  """Exports a model.

  Raises:
    UserError: a flag is wrong, the checkpoint does not fit, the export could not be made, or it is
      not equal to the checkpoint.
  """
  args = flags().parse(argv)
  plan = check(args)
  job = export_worker.Job(
      args.checkpoint, args.experiment, tuple(args.params_override), tuple(args.config_file),
      bool(args.experiment), args.allow_nonfinite_weights, plan, records=args.records,
      limit=args.records_limit)
  with interrupts.ending_at_sigterm():
    export(job, args.output)


def export(job: export_worker.Job, output: str, call: Callable[..., child.Done] = child.call
           ) -> dict:
  """Exports what a job says into a folder, verifies it and prints how; returns the report.

  Args:
    job: what is exported.
    output: folder that is written.
    call: calls the steps; takes the arguments of `child.call`.

  Raises:
    UserError: see `main`.
  """
  with places.opened(output, job.plan) as place, tempfile.TemporaryDirectory(
      prefix='tf_maskformer_export_') as scratch:
    job = dataclasses.replace(job, folder=str(place.folder), scratch=scratch)
    content = _steps(job, call)
    files.write_json(place.folder / report.NAME, content)
    if job.plan.layout == 'triton':
      _write_config(place)
    print(report.table(content), flush=True)
  errors.say(f'wrote {place.final}')
  return content


def _write_config(place: places.Place) -> None:
  """Writes what Triton reads of a model, next to its versions."""
  content = metadata.read(place.folder)
  outputs = content['outputs']
  if content['format'] == 'saved_model' and content['task'] != 'raw':
    outputs = [name for name in outputs if not name.endswith('_logits')]
  text = triton.config(place.model.name, content, outputs)
  files.write_text(place.model / places.CONFIG, text)


def _steps(job: export_worker.Job, call: Callable[..., child.Done]) -> dict:
  """Runs the steps; returns the report."""
  title = job.plan.capability.title
  log = os.path.join(job.scratch, 'log')
  own = call('reading the checkpoint', log, export_worker.reference, job)
  for line in own.value['restored'].splitlines():
    errors.say(line)
  job = dataclasses.replace(job, plan=dataclasses.replace(job.plan, task=own.value['task']))
  errors.say(f'exporting: {job.plan.describe()}')
  made = call(
      f'the conversion to {title}', log, export_worker.convert, job, is_silent=True)
  errors.say(f'converted in {made.value["seconds"]:.0f} s, {made.peak_gb:.1f} GB of memory; '
             'comparing it with the checkpoint')
  found = call(
      f'running the {title} export', log, export_worker.verify, job, is_silent=True)
  _look_closer(job, found.value['rows'], log, call)
  main_score = _MAIN_SCORES.get(job.plan.task, '')
  content = report.make(
      job.plan, own.value, made.value, found.value, places.size_of(job.folder),
      {'checkpoint': own.peak_gb, 'conversion': made.peak_gb, 'export': found.peak_gb})
  try:
    report.check(
        job.plan, found.value['rows'], found.value['scores'], own.value['scores'], main_score)
  except errors.UserError:
    print(report.table(content), flush=True)
    raise
  return content


def _look_closer(job: export_worker.Job, rows: list[dict], log: str,
                 call: Callable[..., child.Done]) -> None:
  """Measures of images that are beyond the tolerance how steady the checkpoint itself is there."""
  if job.plan.precision != 'float32':
    return
  beyond = [i for i, row in enumerate(rows) if report.problem_of(job.plan, row, is_scored=False)]
  if not beyond:
    return
  errors.say('looking how far rounding alone changes the answers of the checkpoint')
  own = call(
      'the checkpoint', log, export_worker.unsteadiness, job, beyond, is_silent=True)
  for number, difference in own.value.items():
    rows[number]['own'] = difference


if __name__ == '__main__':
  cli.run(main)
