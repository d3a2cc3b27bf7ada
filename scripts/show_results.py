"""Draws predictions next to the truth and writes a table of results, from a run's folder.

    tf-maskformer show --model_dir runs/maskformer_shapes_panoptic

writes RUN/images/*.png (image, truth, prediction) and RUN/results.md. The run's folder says which
model it holds; --experiment takes its place, and then environment variables apply as for train.py.
"""

import os
import pathlib
from collections.abc import Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer import interrupts
from tf_maskformer import output
from tf_maskformer.evaluation import report

_ADVICE = 'nothing of the run is changed'


def write_table(folder: pathlib.Path) -> None:
  """Writes results.md: a row per evaluation with the metrics that the last one has.

  Args:
    folder: of the run.

  Raises:
    UserError: the run was not evaluated, or the table cannot be written.
  """
  output.check(folder, '--model_dir')
  if not folder.is_dir():
    raise errors.UserError(f'--model_dir {folder} does not exist; name the folder of a run')
  from tf_maskformer.training import results

  rows = list(results.read(str(folder)).values())
  if not rows:
    raise errors.UserError(f'{folder}/evaluations is empty; evaluate first (train.py --mode eval)')
  known = {key: title for key, title in report.columns().items() if key in rows[-1]['metrics']}
  lines = [
      f'| step | {" | ".join(known.values())} | images |',
      '|---|' + '---|' * len(known) + '---|']
  for row in rows:
    numbers = [row['metrics'].get(key, float('nan')) for key in known]
    values = ' | '.join(f'{number:.1f}' for number in numbers)
    lines.append(f'| {row["step"]} | {values} | {row["images"]} |')
  path = folder / 'results.md'
  with files.writing(str(path), _ADVICE):
    files.write_text(path, '\n'.join(lines) + '\n')
  print('\n'.join(lines))


def draw(predictor, truth, example_id: int, folder: pathlib.Path) -> None:
  """Draws an image, its truth and its prediction into one PNG, called by the image's id.

  Args:
    predictor: a `serving.predictor.Predictor`.
    truth: the `dataloaders.ground_truth.GroundTruth` of the validation records.
    example_id: of the image.
    folder: exists.
  """
  from tf_maskformer.dataloaders import images
  from tf_maskformer.evaluation import drawing

  image = truth.image(example_id)
  result = predictor.predict(image)
  drawn = drawing.compare(
      image, truth[example_id], (result.id_map, result.shown), predictor.classes)
  name = ''.join(c if c.isalnum() else '_' for c in truth.source_id(example_id))
  path = folder / f'{name}.png'
  with files.writing(str(path), _ADVICE):
    files.write_bytes(path, images.encode(drawn, 'PNG'))


def flags() -> cli.Parser:
  parser = cli.Parser(__doc__)
  parser.add_argument('--model_dir', '--checkpoint', required=True, help='folder of the run')
  parser.add_argument('--experiment', help="registered name, in place of the run's own settings")
  parser.add_argument('--params_override', action='append', default=[], help='as for train.py')
  parser.add_argument('--config_file', action='append', default=[], help='as for train.py')
  parser.add_argument('--images', '--pictures', type=int, default=12, help='how many to draw')
  return parser


def main(argv: Sequence[str]) -> None:
  """Writes the table and draws.

  Raises:
    UserError: a flag is wrong, or the folder does not hold an evaluated run.
  """
  args = flags().parse(argv)
  if args.images < 0:
    raise errors.UserError(f'--images {args.images} is below 0; give 0 or more')
  with interrupts.ending_at_sigterm():
    write_table(pathlib.Path(args.model_dir))
    _draw_all(args)


def _draw_all(args) -> None:
  """Draws the first images of the validation records."""
  from tf_maskformer.dataloaders import ground_truth
  from tf_maskformer.serving import loading
  from tf_maskformer.serving.predictor import Predictor

  loaded = loading.open_checkpoint(
      args.model_dir, args.experiment, args.params_override, args.config_file,
      environ=os.environ if args.experiment else None)
  task = loaded.experiment.task
  predictor = Predictor(loaded.model, task, loaded.data_set)
  truth = ground_truth.GroundTruth(task.validation_data.input_path, task.data_set)
  folder = pathlib.Path(args.model_dir)
  images = folder / 'images'
  with output.opened(images, _ADVICE):
    for example_id in truth.example_ids[:args.images]:
      draw(predictor, truth, example_id, images)
  errors.say(f'images of truth and prediction: {images}')
  print(f'results table: {folder / "results.md"}')


if __name__ == '__main__':
  cli.run(main)
