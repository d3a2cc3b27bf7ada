"""Which of Apache Beam's runners makes the shards, with its options, as a command line names them.

Imports no TensorFlow, so that a wrong name is answered at once.
"""

import argparse
import contextlib
import logging
import types
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

from tf_maskformer import errors
from tf_maskformer import extras

NAMES = (
    'DirectRunner', 'DataflowRunner', 'FlinkRunner', 'SparkRunner', 'PortableRunner', 'PrismRunner')
EXTRA = 'beam'
_DATAFLOW = 'DataflowRunner'
_STRICT = ('DirectRunner', _DATAFLOW)  # the others get options from a server, which knows them


class Runner(NamedTuple):
  """A runner.

  Attributes:
    name: one of `NAMES`.
    options: Beam's pipeline options, each 'name=value', or 'name' of one that is switched on.
    debug: whether what Beam logs is shown.
  """
  name: str
  options: tuple[str, ...] = ()
  debug: bool = False

  def flags(self) -> list[str]:
    """Returns the options as Beam parses them."""
    return [f'--{option}' for option in self.options]


def of_flags(name: str | None, options: Sequence[str], output: str, debug: bool = False
             ) -> Runner | None:
  """Returns the runner that the flags of a program name, None where they name none.

  Args:
    name: value of --runner.
    options: values of --runner_options.
    output: folder of the records.
    debug: see `Runner`.

  Raises:
    UserError: the runner or an option is unknown, an option is wrong, Apache Beam is not installed,
      or the workers would not see the folder.
  """
  if not name:
    errors.require(not options, '--runner_options goes with --runner; give both')
    return None
  if name not in NAMES:
    raise errors.UserError(
        f'--runner {errors.quoted(name)!r} is unknown; known: {", ".join(NAMES)}')
  for option in options:
    word = option.partition('=')[0]
    errors.require(
        word.isidentifier(),
        f'--runner_options {errors.quoted(option)!r} is not name=value, e.g. direct_num_workers=2')
    errors.require(
        word != 'runner', '--runner_options runner=… is what --runner says; leave it out')
  runner = Runner(name, tuple(options), debug)
  _require_known(runner)
  if name == _DATAFLOW:
    errors.require(
        '://' in output,
        f'the workers of {name} do not see the local folder {output}; give --output gs://…, and '
        'gs:// paths of the data')
  return runner


def beam() -> types.ModuleType:
  """Imports and returns Apache Beam; raises UserError where it is not installed."""
  with _silent():
    return extras.require('apache_beam', EXTRA, package='apache-beam')


@contextlib.contextmanager
def _silent() -> Iterator[None]:
  """Keeps Beam's warnings about parts of it that are not installed off the screen."""
  former = logging.root.manager.disable
  logging.disable(logging.WARNING)
  try:
    yield
  finally:
    logging.disable(former)


class _Parser(argparse.ArgumentParser):
  """Beam's options; a mistake is a UserError."""

  def error(self, message: str) -> NoReturn:
    text = message.removeprefix('argument ').replace('--', '')
    raise errors.UserError(f'--runner_options {text}')


def _require_known(runner: Runner) -> None:
  """Raises UserError where an option is wrong, or unknown to a runner whose options Beam knows."""
  beam()
  with _silent():
    from apache_beam.options import pipeline_options
    parser = _Parser(allow_abbrev=False, add_help=False)
    groups: list[Any] = pipeline_options.PipelineOptions.__subclasses__()
    for group in groups:
      group._add_argparse_args(parser)  # pylint: disable=protected-access  # Beam has no public one
    _, unknown = parser.parse_known_args(runner.flags())
  if unknown and runner.name in _STRICT:
    known = [flag.removeprefix('--') for action in parser._actions
             for flag in action.option_strings if flag.startswith('--')]
    word = unknown[0].removeprefix('--').partition('=')[0]
    close = errors.nearest(word, known)
    hint = f'; did you mean {" or ".join(close)}?' if close else ' to Apache Beam'
    raise errors.UserError(f'--runner_options {errors.quoted(word)!r} is unknown{hint}')
