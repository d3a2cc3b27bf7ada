"""Serves a model over HTTP on this machine: an image in, segments out.

    tf-maskformer serve --checkpoint runs/coco
    curl --data-binary @street.jpg http://127.0.0.1:8000/predict
    curl -F image=@street.jpg 'http://127.0.0.1:8000/predict?format=overlay' -o overlay.png

Answered are:

  POST /predict   an image, as the body itself or as the one file of a form. ?format= chooses the
                  answer: json (default; segments with category, score, area, box and COCO's run
                  lengths), coco (COCO's results), ids (PNG, id = R + 256 G + 65536 B), labels (PNG
                  of classes, void = 255), overlay (PNG to look at). Without it the header Accept
                  counts: application/json means json, image/png means ids. ?threshold=0.8 leaves
                  out segments whose score is not above it
  GET /model      task, classes, limits
  GET /health     200 while images are answered
  GET /metrics    in Prometheus' text format

What is refused gets {"error": "..."} and a status: 400 damaged, 408 too slow, 413 too large, 415
not an image, 503 (with Retry-After) too many at once, 504 no answer in time. SIGTERM and Ctrl-C end
the server once everything that it accepted is answered.

There is no encryption and no password. Only this machine reaches it unless --host says otherwise;
needs the extra: pip install 'tf-maskformer[serve]'.
"""

import argparse
import os
from collections.abc import Iterator, Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import checkpoint_path
from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer import extras
from tf_maskformer import interrupts

EXTRA = 'serve'
_PORTS = 65535
_BATCH_ON_GPU = 4  # a CPU's cores are all used by one image


def flags() -> cli.Parser:
  parser = cli.Parser(__doc__)
  parser.add_argument(
      '--checkpoint', '--model_dir', required=True,
      help='folder of a run, another checkpoint, or an exported folder')
  parser.add_argument(
      '--batch_size', type=int,
      help='images of one size that go through the network together; default: 4 on a GPU, else 1')
  add_flags(parser)
  return parser


def add_flags(parser: argparse.ArgumentParser) -> None:
  """Adds what `serve` and `demo` have in common."""
  parser.add_argument(
      '--experiment', help='registered name; needed where the checkpoint does not say its model')
  parser.add_argument(
      '--device', help='cpu, gpu or gpu:N (from 0); default: the first GPU, without one the CPU')
  parser.add_argument('--host', default='127.0.0.1', help='address; 0.0.0.0: all of this machine')
  parser.add_argument('--port', type=int, default=8000, help='0: any that is free')
  parser.add_argument(
      '--queue', type=int, default=64,
      help='requests that are accepted and not answered yet; further ones get 503')
  parser.add_argument('--max_bytes', type=int, default=20 * 2**20, help='of a request')
  parser.add_argument(
      '--max_pixels', type=int, default=25_000_000, help='width x height of an image')
  parser.add_argument(
      '--upload_timeout', type=float, default=30.0,
      help='seconds that a request may take to arrive')
  parser.add_argument(
      '--timeout', type=float, default=120.0, help='seconds that an answer may take')
  parser.add_argument('--params_override', action='append', default=[], help='as for train.py')
  parser.add_argument('--config_file', action='append', default=[], help='as for train.py')
  parser.add_argument(
      '--allow_nonfinite_weights', action='store_true',
      help='predict with weights that are NaN or infinite, too')


def check(args: argparse.Namespace) -> None:
  """Checks what can be checked without TensorFlow.

  Raises:
    UserError: a flag is wrong, a package is missing, or the checkpoint does not exist.
  """
  for name in ('queue', 'max_bytes', 'max_pixels'):
    value = getattr(args, name)
    errors.require(value >= 1, f'--{name} {value} is below 1; give 1 or more')
  for name in ('upload_timeout', 'timeout'):
    value = getattr(args, name)
    errors.require(0 < value <= 86400, f'--{name} {value:g} is not between 0 and 86400 s')
  errors.require(0 <= args.port <= _PORTS, f'--port {args.port} is not between 0 and {_PORTS}')
  errors.require(bool(args.host), '--host is empty; name an address of this machine')
  extras.require('starlette', EXTRA)
  extras.require('uvicorn', EXTRA)
  extras.require('python_multipart', EXTRA, package='python-multipart')
  if args.checkpoint is not None:  # demo: the newest run
    checkpoint_path.require(args.checkpoint)


def limits_of(args: argparse.Namespace):
  """Returns the `serving.http.limits.Limits` that the flags mean, and sets that of pixels."""
  from tf_maskformer.dataloaders.images import allow
  from tf_maskformer.serving.http.limits import Limits
  allow(args.max_pixels)
  return Limits(args.queue, args.max_bytes, args.upload_timeout, args.timeout)


def select_device(args: argparse.Namespace) -> None:
  """Leaves TensorFlow the device of --device."""
  from tf_maskformer.serving import devices
  if args.device:
    devices.select(args.device)


def settings_of(args: argparse.Namespace) -> dict:
  """Returns what the functions of `serving.loading` take of the flags."""
  return {
      'source': args.checkpoint, 'experiment': args.experiment, 'overrides': args.params_override,
      'config_files': args.config_file, 'environ': os.environ if args.experiment else None,
      'allow_nonfinite_weights': args.allow_nonfinite_weights}


def bind(args: argparse.Namespace):
  """Returns the bound socket; warns where other machines reach it."""
  from tf_maskformer.serving.http import server
  bound = server.bind(args.host, args.port)
  if not server.is_loopback(bound):
    errors.warn(f'--host {args.host}: everyone who reaches this machine can use the server; it has '
                'no password')
  return bound


def main(argv: Sequence[str]) -> int:
  """Serves a model until a signal; returns the exit code.

  Raises:
    UserError: a flag is wrong, a package is missing, the address is taken, or the checkpoint does
      not fit.
  """
  args = flags().parse(argv)
  if args.batch_size is not None and args.batch_size < 1:
    raise errors.UserError(f'--batch_size {args.batch_size} is below 1; give 1 or more')
  check(args)
  with interrupts.ending_at_sigterm(), bind(args) as bound:
    _serve(args, bound)
  return 0


def _serve(args: argparse.Namespace, bound) -> None:
  import tensorflow as tf

  from tf_maskformer.serving import loading
  from tf_maskformer.serving.http import service
  from tf_maskformer.serving.http.formats import Answer
  limits = limits_of(args)
  select_device(args)
  predictor, report = loading.open_predictor(**settings_of(args))
  print(report, flush=True)
  on_gpu = bool(tf.config.list_physical_devices('GPU'))
  batch_size = args.batch_size or (_BATCH_ON_GPU if on_gpu else 1)

  def predict(images: Sequence) -> Iterator[Answer]:
    for result in predictor.predict_stream(images, len(images)):
      yield Answer(result)

  facts = service.about(args.checkpoint, predictor.task, predictor.data_set, limits)
  service.run(bound, predict, batch_size, facts, limits)


if __name__ == '__main__':
  cli.run(main)
