"""Predicts images: PNGs and an overlay for each, and JSON files for all of them.

    tf-maskformer predict --checkpoint runs/coco --input images/ --output out/
    tf-maskformer predict --experiment maskformer_coco_panoptic --checkpoint model.pkl \\
        --input street.jpg 'holiday/*/*.jpg' --output out/

A run's folder and a Hugging Face folder say which model they hold; for other checkpoints
--experiment names it. With --experiment, environment variables apply as for train.py.

Files in the output folder, for an image called NAME:

  NAME.png           panoptic and instance experiments: segment ids, id = R + 256 G + 65536 B, 0
                     where there is none; semantic ones: the class of each pixel, counted from 0
                     (8 bits, 16 with more than 256 classes)
  NAME_labels.png    panoptic experiments: the class of each pixel, void = 255 (16 bits with more
                     than 255 classes, void = 65535)
  NAME_overlay.png   to look at: class colors, outlines, names and scores; with a legend in semantic
                     experiments and where the image has more than 8 classes
  predictions.json   COCO's panoptic format: per image its segments' id, category_id, category_name,
                     isthing, area, bbox and score. Instances are those of a score above 0.5, the
                     highest on top; each has its complete mask as COCO's compressed run lengths
  coco_results.json  panoptic and instance experiments: COCO's results format (image_id,
                     category_id, bbox, score, segmentation) of things; in instance experiments of
                     every score. image_id is a number, here and in predictions.json, where every
                     NAME is a different number.
                     pycocotools takes areas from bbox; for AP of masks by size delete it first

NAME is the image's path without suffix, relative to the folder or to the fixed part of the pattern
that found it. Images of different folders that would have the same NAME are called by their path
relative to the folder that they have in common; images of one folder that differ only in their
suffix keep it. Images that cannot be decoded are left out and named at the end, with exit code 2.

Results are written image by image. Where the program is interrupted or the disk is full, the JSON
files hold the images that are complete; where it is killed, those up to a moment before.
"""

import os
import pathlib
from collections.abc import Iterator, Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer import interrupts
from tf_maskformer import output
from tf_maskformer.serving import image_files

_NAMED = 5  # images named in the message about those that cannot be decoded


def flags() -> cli.Parser:
  parser = cli.Parser(__doc__)
  parser.add_argument(
      '--checkpoint', '--model_dir', required=True, help='folder of a run, or another checkpoint')
  parser.add_argument(
      '--input', required=True, nargs='+', action='extend',
      help=f'images, folders ({", ".join(image_files.SUFFIXES)}), and patterns in quotes')
  parser.add_argument('--output', required=True, help='folder, created if missing')
  parser.add_argument(
      '--experiment', help='registered name; needed where the checkpoint does not say its model')
  parser.add_argument('--recursive', action='store_true', help='search subfolders of folders, too')
  parser.add_argument(
      '--batch_size', type=int, help='images that are read at a time; default: 4 on a GPU, else 1')
  parser.add_argument(
      '--max_pixels', type=int, default=178_956_970,
      help='width x height of the largest image that is predicted; larger ones are left out')
  parser.add_argument('--params_override', action='append', default=[], help='as for train.py')
  parser.add_argument('--config_file', action='append', default=[], help='as for train.py')
  parser.add_argument(
      '--allow_nonfinite_weights', action='store_true',
      help='predict with weights that are NaN or infinite, too')
  return parser


class _Decoded:
  """Yields the images that can be decoded, in order, and notes the names of their results.

  Attributes:
    names: of the images yielded so far.
    refused: why each of the others was left out.
  """

  def __init__(self, images: Sequence[image_files.ImageFile]):
    self.names: list[str] = []
    self.refused: list[str] = []
    self._images = images

  def __iter__(self) -> Iterator:
    from tf_maskformer.serving import inputs
    for image in self._images:
      try:
        decoded = inputs.as_rgb(image.path)
      except errors.UserError as e:
        self.refused.append(str(e))
        continue
      self.names.append(image.name)
      yield decoded


def _folders(images: Sequence[image_files.ImageFile]) -> list[str]:
  """Returns the folders of results, relative to the output folder."""
  return sorted({'', *(os.path.dirname(image.name) for image in images)})


def _predict(predictor, decoded: _Decoded, batch_size: int | None, folder: pathlib.Path,
             total: int) -> int:
  """Predicts images and writes their results, each as soon as it is there.

  Args:
    predictor: a `serving.predictor.Predictor`.
    decoded: the images.
    batch_size: see `Predictor.predict_stream`.
    folder: for the results.
    total: images, for the progress bar.

  Returns:
    How many results were written.

  Raises:
    UserError: one cannot be written.
  """
  from tqdm import tqdm

  from tf_maskformer.serving.collection import Collection

  collection = Collection()
  try:
    collection.start(folder)
    try:
      with tqdm(total=total, unit='image') as progress:
        for result in predictor.predict_stream(decoded, batch_size):
          name = decoded.names[len(collection)]
          os.stat(folder)  # one that was removed is not made again, with a part of the results
          result.save_images(folder, name)
          collection.add(result, name)
          collection.update(folder)
          progress.update(len(collection) + len(decoded.refused) - progress.n)
        progress.update(total - progress.n)
    finally:  # what is done is kept, however the block ends
      collection.write(folder)
  except OSError as e:
    raise errors.UserError(
        f'results in {folder} cannot be written ({errors.reason(e)}); {collection.num_written} '
        'images are complete and in predictions.json') from e
  return len(collection)


def _check(args) -> list[image_files.ImageFile]:
  """Returns the images; raises UserError for flags that are wrong."""
  if args.batch_size is not None and args.batch_size < 1:
    raise errors.UserError(f'--batch_size {args.batch_size} is below 1; give 1 or more')
  if args.max_pixels < 1:
    raise errors.UserError(f'--max_pixels {args.max_pixels} is below 1; give 1 or more')
  folder = pathlib.Path(args.output)
  output.check(folder)
  for path in args.input:
    output.check(path, '--input')
  images = image_files.find(args.input, folder, args.recursive)
  image_files.check_output(images, folder)
  return images


def main(argv: Sequence[str]) -> int:
  """Predicts images; returns the exit code.

  Raises:
    UserError: a flag is wrong, the checkpoint does not fit, images could not be decoded, or results
      could not be written.
  """
  args = flags().parse(argv)
  images = _check(args)
  folder = pathlib.Path(args.output)

  from tf_maskformer.dataloaders.images import allow
  from tf_maskformer.serving import loading
  from tf_maskformer.serving.predictor import Predictor

  allow(args.max_pixels)
  with interrupts.ending_at_sigterm():
    loaded = loading.open_checkpoint(
        args.checkpoint, args.experiment, args.params_override, args.config_file,
        environ=os.environ if args.experiment else None,
        allow_nonfinite_weights=args.allow_nonfinite_weights)
    print(loaded.report)
    predictor = Predictor(loaded.model, loaded.experiment.task, loaded.data_set)
    decoded = _Decoded(images)
    with output.opened(folder, 'name another --output', _folders(images)):
      count = _predict(predictor, decoded, args.batch_size, folder, len(images))
  errors.say(f'{count} {"image" if count == 1 else "images"} in {folder}')
  if decoded.refused:
    raise errors.UserError(
        f'{len(decoded.refused)} of {len(images)} images could not be decoded, the others are '
        f'done; {"; ".join(decoded.refused[:_NAMED])}')
  return 0


if __name__ == '__main__':
  cli.run(main)
