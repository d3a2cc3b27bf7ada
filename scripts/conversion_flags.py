"""Flags that every conversion to records has."""

import argparse
import contextlib
import os
from collections.abc import Iterator

from tf_maskformer import errors
from tf_maskformer.dataloaders.preparation import runners
from tf_maskformer.dataloaders.preparation.runners import Runner


def add(parser: argparse.ArgumentParser) -> None:
  """Adds the flags to a program's."""
  parser.add_argument(
      '--shards', type=int, default=0, help='files per split; default: images / 1000, at least 8')
  parser.add_argument(
      '--workers', type=int, default=os.cpu_count(),
      help='processes; at most one per core and shard are started')
  parser.add_argument(
      '--runner', metavar='NAME',
      help='make the shards with Apache Beam instead of processes of this machine: '
      f'{", ".join(runners.NAMES)}')
  parser.add_argument(
      '--runner_options', nargs='+', default=[], metavar='NAME=VALUE',
      help="options of Apache Beam's pipeline, e.g. direct_num_workers=4 "
      'direct_running_mode=multi_processing; project=P region=R temp_location=gs://B/tmp')
  parser.add_argument(
      '--max_pixels', type=int, default=178_956_970,
      help='width x height of the largest image that is read; larger ones are refused by name')


def check(args: argparse.Namespace) -> None:
  """Raises UserError where one of the flags is out of its range."""
  errors.require(
      args.shards >= 0 and args.workers >= 1, '--shards must be 0 or more and --workers 1 or more')
  errors.require(
      args.max_pixels >= 1, f'--max_pixels {args.max_pixels} is below 1; give 1 or more')


def runner(args: argparse.Namespace, output: str) -> Runner | None:
  """Returns the runner of Apache Beam that the flags name, or None; see `runners.of_flags`."""
  return runners.of_flags(args.runner, args.runner_options, output, args.debug)


@contextlib.contextmanager
def reading_data() -> Iterator[None]:
  """Turns what TensorFlow's file systems refuse inside the block into one line.

  Raises:
    UserError: e.g. the scheme of a path is unknown, or a server does not answer.
  """
  try:
    yield
  except Exception as e:  # pylint: disable=broad-except
    if isinstance(e, OSError) or not errors.is_of_file_system(e):
      raise
    raise errors.UserError(
        f'the data cannot be read ({errors.reason(e)}); correct the path or run the same command '
        'again') from e
