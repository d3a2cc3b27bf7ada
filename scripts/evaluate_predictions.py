"""Scores predictions in files, of any program, without a model.

    tf-maskformer evaluate_predictions --predictions predictions.json \\
        --truth annotations/panoptic_val2017.json --output scores/
    tf-maskformer evaluate_predictions --predictions results.json --truth instances_val2017.json
    tf-maskformer evaluate_predictions --predictions out/ --truth labels/ --data_set cityscapes
    tf-maskformer evaluate_predictions --predictions out/ --truth '/data/coco_records/val*'

What is scored follows from the two forms, and is said:

  predictions                          truth                             scores
  COCO panoptic JSON, and PNGs in a    COCO panoptic JSON and PNGs, or   PQ, boundary PQ
  folder called alike or in its own    records
  list of COCO results: JSON, masks    COCO instances JSON, or records   AP, boundary AP
  as run lengths or polygons                                             (Cityscapes: its own AP)
  folder of label images               folder of label images, COCO      mIoU, accuracies, confusion
                                       panoptic JSON, or records         matrix
  what `tf-maskformer predict` wrote   any of these                      the first that both have

Classes are the categories of the truth's JSON, or the data_set.yaml next to records; of a folder of
label images --data_set names them. image_id is an image's id or the name of its file without
suffix; label images are called as those of the truth. Images that are missing, double or unknown,
of another size, or with values that are no class, are refused by name. A list of results may leave
out images in which nothing was found.

With --output: results.json, results.md, and of label images confusion.csv and confusion.png.
"""

import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer import interrupts
from tf_maskformer import output
from tf_maskformer.configs.datasets import catalog

_ADVICE = 'the scores are printed above'
_TASKS = ('panoptic', 'instance', 'semantic')


def flags() -> cli.Parser:
  """Returns the flags of this program."""
  parser = cli.Parser(__doc__)
  parser.add_argument('--predictions', required=True, help='JSON file, or folder; see above')
  parser.add_argument(
      '--truth', required=True, help='JSON file, folder of label images, or pattern of records')
  parser.add_argument(
      '--data_set', help='name, or YAML file, of the data set; default: what the truth says')
  parser.add_argument('--output', help='folder for the results; default: they are only printed')
  parser.add_argument(
      '--task', choices=_TASKS, help='what is scored where both sides hold several')
  parser.add_argument(
      '--truth_suffix', default='',
      help='end of the names of label images that are the truth, e.g. _gtFine_labelIds.png')
  parser.add_argument(
      '--prediction_suffix', default='', help='end of the names of label images that are predicted')
  parser.add_argument(
      '--prediction_values', choices=('index', 'label'),
      help='values of predicted label images: classes counted from 0 (index), or what the data '
      "set's own labels have (label); needed where they differ")
  parser.add_argument(
      '--crowds_are_instances', action='store_true',
      help='take instances of the truth that are marked as crowds for instances, as CVAT marks all')
  return parser


def _open_predictions(args, truth, found, task: str) -> Any:
  """Returns the predictions of a task."""
  from tf_maskformer.tasks.offline import label_folder
  from tf_maskformer.tasks.offline import predictions
  from tf_maskformer.tasks.offline.image_names import ImageNames

  names = ImageNames(truth.images)
  if task == 'panoptic':
    return predictions.PanopticPredictions(found.path, names, truth.data_set)
  if task == 'instance':
    return predictions.InstancePredictions(
        found.path, names, truth.data_set, len(truth.images))
  suffix = args.prediction_suffix or found.suffix
  paths = label_folder.find(found.path, suffix, '--predictions', found.excluded)
  are_indices = found.is_own or _are_indices(args.prediction_values, truth.data_set)
  return predictions.LabelPredictions(
      paths, found.path, names, truth.name, truth.data_set.num_classes, are_indices)


def _are_indices(asked: str | None, data_set) -> bool:
  """Whether predicted label images hold classes counted from 0.

  Raises:
    UserError: that would have to be guessed.
  """
  if asked:
    return asked == 'index'
  differing = [(value, c) for value, c in data_set.class_of_label.items() if c not in (-1, value)]
  if differing:
    value, number = differing[0]
    raise errors.UserError(
        f'class {errors.quoted(data_set.classes[number].name)!r} is {value} in the labels of '
        f'{data_set.name} and {number} when classes are counted from 0; say which the predictions '
        'have: --prediction_values label or index')
  return False  # the data set knows its void values


def _shown(scored) -> list[tuple[str, str]]:
  """Returns title and value of the scores in the results table."""
  from tf_maskformer.evaluation import report
  titles = report.columns()
  return [(titles[key], f'{value:.1f}') for key, value in scored.metrics.items() if key in titles]


def _write(folder: pathlib.Path, truth, predictions, task: str, scored) -> None:
  """Writes the results into a folder that exists."""
  from tf_maskformer.evaluation import confusion

  numbers = {
      key: None if math.isnan(value) else value for key, value in scored.metrics.items()}
  content = {
      'truth': truth.description, 'predictions': predictions.description, 'task': task,
      'images': len(truth.images), 'metrics': numbers}
  made: dict[str, bytes] = {}
  if scored.confusion is not None:
    names = [one.name for one in truth.data_set.classes]
    made = confusion.files(scored.confusion, scored.missed, names)
  titles, values = zip(*_shown(scored))
  lines = [
      f'| {" | ".join(titles)} | images |', '|---' * (len(titles) + 1) + '|',
      f'| {" | ".join(values)} | {len(truth.images)} |', '',
      f'- truth: {errors.one_line(truth.description)}',
      f'- predictions: {errors.one_line(predictions.description)}', '', '```',
      *scored.tables, '```']
  for name, data in made.items():
    files.write_bytes(folder / name, data)
  files.write_text(folder / 'results.md', '\n'.join(lines) + '\n')
  files.write_json(folder / 'results.json', content)


def _score(args) -> None:
  from tqdm import tqdm

  from tf_maskformer.tasks.offline import recognize
  from tf_maskformer.tasks.offline import scoring
  from tf_maskformer.tasks.offline.truth import open_truth

  found = recognize.find(args.predictions)
  truth = open_truth(
      args.truth, args.data_set, args.truth_suffix, args.crowds_are_instances)
  task = recognize.choose(found, truth, args.task)
  errors.say(f'truth: {truth.description}, {len(truth.images)} images, '
             f'{truth.data_set.num_classes} classes')
  predictions = _open_predictions(args, truth, found[task], task)
  errors.say(f'predictions: {predictions.description}')
  scored = scoring.score(
      task, truth, predictions, lambda keys: tqdm(keys, unit='images', desc=task))
  print('\n'.join(scored.tables))
  if args.output:
    with output.opened(args.output, _ADVICE), files.writing(args.output, _ADVICE):
      _write(pathlib.Path(args.output), truth, predictions, task, scored)
    errors.say(f'results: {args.output}')


def main(argv: Sequence[str]) -> int:
  """Scores predictions; returns the exit code.

  Raises:
    UserError: a flag is wrong, or the predictions or the truth cannot be used.
  """
  args = flags().parse(argv)
  if args.data_set:
    catalog.get(args.data_set)
  if args.output is not None:
    output.check(args.output)
  for flag in ('predictions', 'truth'):
    output.check(getattr(args, flag), f'--{flag}')
  with interrupts.ending_at_sigterm():
    _score(args)
  return 0


if __name__ == '__main__':
  cli.run(main)
