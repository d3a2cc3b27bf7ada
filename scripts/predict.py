"""Predicts images, videos and what a webcam sees: PNGs, overlays, videos, and JSON files.

    tf-maskformer predict --checkpoint runs/coco --input images/ --output out/
    tf-maskformer predict --experiment maskformer_coco_panoptic --checkpoint model.pkl \\
        --input street.jpg 'holiday/*/*.jpg' --output out/
    tf-maskformer predict --checkpoint runs/coco --input street.mp4 --output out/
    curl … | tf-maskformer predict --checkpoint runs/coco --input - --output out/

A run's folder and a Hugging Face folder say which model they hold; for other checkpoints
--experiment names it. With --experiment, environment variables apply as for train.py.

Inputs are image files, folders of images, patterns in quotes, video files (by their suffix: .mp4,
.mov, .mkv, .webm, .avi, …), webcams (0 or webcam:0 is the first), and - for one image that comes
through standard input. Videos and webcams need PyAV (the extra `video`).

Files in the output folder, for an image called NAME, by the --format that writes them; where none
is named: png, overlay and coco_panoptic, of panoptic experiments labels too, and coco where things
are told apart.

  png            NAME.png: panoptic and instance experiments: segment ids, id = R + 256 G + 65536 B,
                 0 where there is none; semantic ones: the class of each pixel, counted from 0 (8
                 bits, 16 with more than 256 classes)
  labels         NAME_labels.png: the class of each pixel, void = 255 (16 bits with more than 255
                 classes, void = 65535). Classes of 8 bits are shown in their colors
  overlay        NAME_overlay.png, to look at: the image with class colors, a shade per instance,
                 outlines, names and scores; with a legend in semantic experiments and where the
                 image has more than 8 classes
  color          NAME_color.png: the segments' colors alone; the pixels' values are the ids (8 bits;
                 RGB with ids above 255)
  coco_panoptic  predictions.json and NAME.png, COCO's panoptic format: per image its segments' id,
                 category_id, category_name, isthing, area, bbox and score. Instances are those of a
                 score above 0.5, the highest on top; each has its complete mask as COCO's
                 compressed run lengths
  coco           coco_results.json, COCO's results format (image_id, category_id, bbox, score,
                 segmentation) of things; in instance experiments of every score. image_id is a
                 number, here and in predictions.json, where every NAME is a different number.
                 pycocotools takes areas from bbox; for AP of masks by size delete it first
  labelme        NAME.json: polygons of every segment, for LabelMe
  supervision    supervision.json: a COCO data set with classes and masks, which
                 supervision.DetectionDataset.from_coco reads
  fiftyone       the folder fiftyone: FiftyOne's COCODetectionDataset, scores as confidence

NAME is the image's path without suffix, relative to the folder or to the fixed part of the pattern
that found it. Images of different folders that would have the same NAME are called by their path
relative to the folder that they have in common; images of one folder that differ only in their
suffix keep it. Standard input is called stdin, the first webcam webcam_0.

Of a video the overlay is a video, NAME_overlay.mp4: H.264 of the same size and timing, without
sound. It is all that is written of a video unless --format is given; other formats are written per
frame, the first called NAME/000000. Where a format names an image and there is no file (a frame,
standard input), NAME_image.jpg is written, too. Ctrl-C ends a webcam.

Images that cannot be decoded are left out and named at the end, with exit code 2; so are videos, of
which no overlay is kept then. Results are written image by image. Where the program is interrupted
or the disk is full, the JSON files hold the images that are complete; where it is killed, those up
to a moment before. A video has a temporary name until it is complete; an interrupted one ends with
the last frame that was predicted.
"""

import collections
import operator
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import checkpoint_path
from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer import interrupts
from tf_maskformer import output
from tf_maskformer.serving import formats
from tf_maskformer.serving import image_files

_NAMED = 5  # images named in the message about those that cannot be decoded
_CORES_PER_WRITER = 4  # the others compute, or prepare the input of a GPU
_MAX_WRITERS = 4
_BETWEEN = 4  # images that wait between two stages: a usual batch; more where batches are larger


def flags() -> cli.Parser:
  parser = cli.Parser(__doc__)
  parser.add_argument(
      '--checkpoint', '--model_dir', required=True, help='folder of a run, or another checkpoint')
  parser.add_argument(
      '--input', required=True, nargs='+', action='extend',
      help=f'images, folders ({", ".join(image_files.SUFFIXES)}), patterns in quotes, videos, 0 '
      'for the first webcam, - for an image through standard input')
  parser.add_argument('--output', required=True, help='folder, created if missing')
  parser.add_argument(
      '--experiment', help='registered name; needed where the checkpoint does not say its model')
  parser.add_argument('--recursive', action='store_true', help='search subfolders of folders, too')
  parser.add_argument(
      '--format', nargs='+', action='extend', default=[], metavar='NAME',
      help=f'what is written, several of {", ".join(formats.FORMATS)}')
  parser.add_argument(
      '--threshold', type=float,
      help='segments and instances with a score above it are written, 0 .. 1; default: all '
      'segments of a panoptic prediction, instances above 0.5')
  parser.add_argument(
      '--classes', nargs='+', action='extend', default=[], metavar='CLASS',
      help='names or ids of the classes that are written; default: all')
  parser.add_argument('--boxes', action='store_true', help='draw boxes around things')
  parser.add_argument(
      '--device', help='cpu, gpu or gpu:N (from 0); default: the first GPU, without one the CPU')
  parser.add_argument(
      '--batch_size', type=int, help='images that are read at a time; default: 4 on a GPU, else 1')
  parser.add_argument(
      '--max_frames', type=int, help='of each video or webcam, only the first; default: all')
  parser.add_argument(
      '--max_pixels', type=int, default=178_956_970,
      help='width x height of the largest image that is predicted; larger ones are left out')
  parser.add_argument('--params_override', action='append', default=[], help='as for train.py')
  parser.add_argument('--config_file', action='append', default=[], help='as for train.py')
  parser.add_argument(
      '--allow_nonfinite_weights', action='store_true',
      help='predict with weights that are NaN or infinite, too')
  return parser


def main(argv: Sequence[str]) -> int:
  """Predicts images; returns the exit code.

  Raises:
    UserError: a flag is wrong, the checkpoint does not fit, images could not be decoded, or results
      could not be written.
  """
  args = flags().parse(argv)
  inputs = _check(args)
  folder = pathlib.Path(args.output)

  from tf_maskformer.dataloaders.images import allow
  from tf_maskformer.serving import devices
  from tf_maskformer.serving.reading import Reader

  allow(args.max_pixels)
  with interrupts.ending_at_sigterm():
    reader = Reader(inputs, args.max_frames)
    if args.device:
      devices.select(args.device)
    predictor = _predictor(args)
    choice = _choice(args, predictor)
    with output.opened(folder, 'name another --output', _folders(inputs, choice)):
      _predict_all(predictor, reader, choice, folder, args.batch_size)
  if reader.refused:
    others = ', the others are done' if len(reader.refused) < len(inputs) else ''
    raise errors.UserError(
        f'{len(reader.refused)} of {len(inputs)} {_kinds(inputs)} could not be decoded{others}; '
        f'{"; ".join(reader.refused[:_NAMED])}')
  return 0


def _check(args) -> list[image_files.ImageFile]:
  """Returns what to predict; raises UserError for flags that are wrong."""
  for flag in ('batch_size', 'max_pixels', 'max_frames'):
    value = getattr(args, flag)
    if value is not None and value < 1:
      raise errors.UserError(f'--{flag} {value} is below 1; give 1 or more')
  if args.threshold is not None and not 0 <= args.threshold <= 1:
    raise errors.UserError(f'--threshold {args.threshold} is not a score; give 0 .. 1')
  args.format = formats.parse(args.format)
  folder = pathlib.Path(args.output)
  output.check(folder)
  for path in args.input:
    output.check(path, '--input')
  endings = formats.endings(args.format) or image_files.RESULTS
  inputs = image_files.find(args.input, folder, args.recursive, endings)
  image_files.check_output(inputs, folder, endings)
  checkpoint_path.require(args.checkpoint)
  return inputs


def _predictor(args) -> Any:
  """Returns the model that predicts; prints what was restored."""
  from tf_maskformer.serving import loading

  predictor, report = loading.open_predictor(
      args.checkpoint, args.experiment, args.params_override, args.config_file,
      environ=os.environ if args.experiment else None,
      allow_nonfinite_weights=args.allow_nonfinite_weights)
  print(report)
  return predictor


def _choice(args, predictor) -> Any:
  """Returns the `serving.saving.Choice` that the flags make; raises UserError."""
  from tf_maskformer.serving import saving
  from tf_maskformer.serving import selection

  if args.threshold is not None and predictor.task == 'semantic':
    raise errors.UserError(
        f'--threshold {args.threshold}: a semantic prediction has no scores; leave it out')
  named = args.format
  return saving.Choice(
      formats.of_task(named, predictor.task), named or formats.OF_VIDEOS,
      selection.classes(args.classes, predictor.data_set) if args.classes else None,
      args.threshold, args.boxes)


def _folders(inputs: Sequence[image_files.ImageFile], choice) -> list[str]:
  """Returns the folders of results, relative to the output folder."""
  found = {'', *(os.path.dirname(file.name) for file in inputs)}
  found.update(file.name for file in inputs if file.has_frames)
  if 'fiftyone' in choice.formats:
    found.add('fiftyone')
  return sorted(found)


def _predict_all(predictor, reader, choice, folder: pathlib.Path, batch_size: int | None) -> None:
  """Predicts what is read and writes the results, each as soon as it is there.

  Args:
    predictor: a `serving.predictor.Predictor`.
    reader: a `serving.reading.Reader`.
    choice: a `serving.saving.Choice`.
    folder: for the results.
    batch_size: see `Predictor.predict_stream`.

  Raises:
    UserError: one cannot be written.
  """
  from tf_maskformer.serving.saving import Saver

  saver = Saver(folder, reader.files, choice)
  try:
    saver.start()
    try:
      _run(predictor, reader, saver, batch_size)
    except (KeyboardInterrupt, SystemExit) as stop:
      saver.end(is_interrupted=True)
      for line in saver.said:
        errors.say(line)
      if reader.is_at_last_webcam and isinstance(stop, KeyboardInterrupt):
        return  # that is how it ends
      raise
    except BaseException:
      saver.abandon()
      raise
    saver.end(is_interrupted=False)
  except OSError as e:
    raise errors.UserError(
        f'results in {folder} cannot be written ({errors.reason(e)}); '
        f'{saver.num_complete} images are complete{saver.where}') from e
  _say(saver)


def _run(predictor, reader, saver, batch_size: int | None) -> None:
  """Lets reading, predicting and writing overlap; raises what any of them raises."""
  from tqdm import tqdm

  from tf_maskformer.serving import pipeline
  from tf_maskformer.serving.saving import Predicted

  size = operator.attrgetter('size')
  cores = os.cpu_count() or 1
  writers = max(min(cores // _CORES_PER_WRITER, _MAX_WRITERS), 1)
  between = max(batch_size or 0, _BETWEEN)
  waiting: collections.deque = collections.deque()
  with tqdm(total=reader.total, unit=reader.unit) as progress:

    def finish(predicted: Predicted, prepared: tuple) -> None:
      saver.finish(predicted, prepared)
      progress.update()

    behind = pipeline.Behind(saver.prepare, finish, size, writers, writers + between)
    with pipeline.Ahead(reader, size, between) as items, behind:
      for result in predictor.predict_stream(_images(items, waiting), batch_size):
        behind.put(Predicted(waiting.popleft(), result))
    if reader.total:
      progress.update(reader.total - progress.n)


def _images(items: Iterator, waiting: collections.deque) -> Iterator:
  """Yields the images of items, which wait for their results in the same order."""
  for item in items:
    waiting.append(item)
    yield item.image


def _say(saver) -> None:
  """Prints what was written."""
  for line in saver.said:
    errors.say(line)
  count = saver.num_images
  if count or not saver.num_frames:
    errors.say(f'{count} {"image" if count == 1 else "images"} in {saver.folder}')


def _kinds(inputs: Sequence[image_files.ImageFile]) -> str:
  """Returns what the inputs are called in messages."""
  if not any(file.has_frames for file in inputs):
    return 'images'
  return 'videos' if all(file.has_frames for file in inputs) else 'images and videos'


if __name__ == '__main__':
  cli.run(main)
