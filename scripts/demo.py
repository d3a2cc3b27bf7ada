"""Opens a page in which a model can be tried: drop an image, see its segments.

    tf-maskformer demo                          # the newest run of the embedded data set
    tf-maskformer demo --checkpoint runs/coco --samples photos/

The page is at http://127.0.0.1:8000/. It loads nothing from elsewhere and sends images to this
server only. Hovering shows a segment's class and score, a click pins it; thresholds act at once,
because the server keeps the logits of the last images. The server also answers what tf-maskformer
serve answers (its --help describes that).

There is no encryption and no password. Only this machine reaches it unless --host says otherwise;
needs the extra: pip install 'tf-maskformer[serve]'.
"""

import argparse
import os
import pathlib
from collections.abc import Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer import interrupts
from tf_maskformer.scripts import serve
from tf_maskformer.serving import image_files

_DATA_SET = 'shapes_panoptic'  # the embedded one
_SAMPLES = 12  # at most
_SHAPES = 6  # samples of the embedded data set
_FIRST_HELD_OUT = 10**6  # id of the first image of its validation split
_SHAPES_SIZE = 128  # longest side in pixels
_SHAPES_SEED = 0
_KEPT_BYTES = 2**29  # of logits and images, for other thresholds


def flags() -> cli.Parser:
  parser = cli.Parser(__doc__)
  parser.add_argument(
      '--checkpoint', '--model_dir',
      help='folder of a run, or another checkpoint; default: the newest run of the embedded data '
      'set')
  parser.add_argument(
      '--samples', help=f'folder of images to choose from, of which the first {_SAMPLES} are shown')
  serve.add_flags(parser)
  return parser


def newest_run() -> str:
  """Returns the folder of the newest run of the embedded data set, where training puts them.

  Raises:
    UserError: there is none.
  """
  from tf_maskformer.configs import environment
  root = pathlib.Path(environment.model_dir('run', {})).parent
  folders = [path for path in root.glob('*') if path.is_dir()]
  own = environment.value_of('MODEL_DIR', os.environ)
  if own:
    folders.append(pathlib.Path(own))
  newest = max(((_saved_at(folder), str(folder)) for folder in folders), default=(0.0, ''))
  if not newest[0]:
    raise errors.UserError(
        f'there is no run of the embedded data set in {root}; train one with bash '
        'scripts/train_cpu.sh (about ten minutes), or give the --checkpoint of another model')
  return newest[1]


def _saved_at(folder: pathlib.Path) -> float:
  """Returns when a run of the embedded data set saved last; 0 where a folder is none."""
  from tf_maskformer import checkpoint_files
  from tf_maskformer.configs.experiments import settings
  if not settings.has_params(str(folder)):
    return 0.0
  try:
    _, experiment = settings.of_run(str(folder))
    saved = checkpoint_files.own(str(folder))
  except errors.UserError as e:
    errors.warn(f'{folder} is left out ({e})')
    return 0.0
  if experiment.task.data_set != _DATA_SET or not saved:
    return 0.0
  return max(os.path.getmtime(f'{checkpoint.prefix}.index') for checkpoint in saved)


def samples_of(folder: str | None, data_set: str) -> list:
  """Returns the `serving.http.demo.Sample`s: of a folder, else of the embedded data set.

  Args:
    folder: with images; None: there is none.
    data_set: that the model is of.

  Raises:
    UserError: the folder has no images.
  """
  from tf_maskformer.serving.http.demo import Sample
  if folder is None:
    return _shapes() if data_set == _DATA_SET else []
  paths = [pathlib.Path(path) for path in _images(folder)]
  return [Sample(path.name, path.read_bytes()) for path in paths[:_SAMPLES]]


def _images(folder: str) -> list[pathlib.Path]:
  """Returns the images in a folder; raises UserError where there are none."""
  path = pathlib.Path(folder)
  errors.require(path.is_dir(), f'--samples {folder} is not a folder; name one with images')
  found = sorted(
      p for p in path.iterdir()
      if p.suffix.lower() in image_files.SUFFIXES and not p.name.startswith('.') and p.is_file())
  errors.require(bool(found), f'--samples {folder} has no images '
                 f'({", ".join(image_files.SUFFIXES)}); name another folder')
  return found


def _shapes() -> list:
  """Returns held-out images of the embedded data set."""
  import numpy as np

  from tf_maskformer.dataloaders import images
  from tf_maskformer.dataloaders.preparation import drawn_shapes
  from tf_maskformer.serving.http.demo import Sample
  samples = []
  for number in range(_SHAPES):
    rng = np.random.default_rng([_SHAPES_SEED, _FIRST_HELD_OUT + number])
    image, _ = drawn_shapes.draw(rng, _SHAPES_SIZE)
    samples.append(Sample(f'shapes {number + 1}.png', images.encode(image, 'PNG')))
  return samples


def main(argv: Sequence[str]) -> int:
  """Serves the page until a signal; returns the exit code.

  Raises:
    UserError: see `serve.main`; or there is no run, or no sample.
  """
  args = flags().parse(argv)
  serve.check(args)
  if args.samples is not None:
    _images(args.samples)
  with interrupts.ending_at_sigterm(), serve.bind(args) as bound:
    _serve(args, bound)
  return 0


def _serve(args: argparse.Namespace, bound) -> None:
  from tf_maskformer.serving import loading
  from tf_maskformer.serving.export import metadata
  from tf_maskformer.serving.http import demo
  from tf_maskformer.serving.http import service
  from tf_maskformer.serving.http.kept import Store
  from tf_maskformer.serving.http.network import Network
  if args.checkpoint is None:
    args.checkpoint = newest_run()
    errors.say(f'checkpoint: {args.checkpoint}')
  if metadata.find(args.checkpoint):
    raise errors.UserError(
        f'{args.checkpoint} is an export; the page needs the checkpoint that it was made from '
        '(tf-maskformer serve answers with exports, too)')
  limits = serve.limits_of(args)
  serve.select_device(args)
  loaded = loading.open_checkpoint(**serve.settings_of(args))
  print(loaded.report, flush=True)
  network = Network(loaded, Store(_KEPT_BYTES))
  samples = samples_of(args.samples, loaded.data_set.name)
  facts = service.about(
      args.checkpoint, network.task, loaded.data_set, limits, network.acting)
  service.run(
      bound, network.predict, 1, facts, limits, demo.FORMATS,
      lambda api: demo.Demo(api, network, samples).routes())


if __name__ == '__main__':
  cli.run(main)
