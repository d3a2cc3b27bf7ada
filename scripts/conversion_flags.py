"""Flags that every conversion to records has."""

import argparse
import os

from tf_maskformer import errors


def add(parser: argparse.ArgumentParser) -> None:
  """Adds the flags to a program's."""
  parser.add_argument(
      '--shards', type=int, default=0, help='files per split; default: images / 1000, at least 8')
  parser.add_argument(
      '--workers', type=int, default=os.cpu_count(),
      help='processes; at most one per core and shard are started')
  parser.add_argument(
      '--max_pixels', type=int, default=178_956_970,
      help='width x height of the largest image that is read; larger ones are refused by name')


def check(args: argparse.Namespace) -> None:
  """Raises UserError where one of the flags is out of its range."""
  errors.require(
      args.shards >= 0 and args.workers >= 1, '--shards must be 0 or more and --workers 1 or more')
  errors.require(
      args.max_pixels >= 1, f'--max_pixels {args.max_pixels} is below 1; give 1 or more')
