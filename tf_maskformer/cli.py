"""What every program shares: flags whose mistakes are one line, and `error: …` with exit code 2.

Imports no TensorFlow, so that a wrong name is answered at once.
"""

import argparse
import contextlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from tf_maskformer import errors
from tf_maskformer import extras

EXIT_USER = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
# Flags that documents and scripts fill from an environment variable.
_FROM_VARIABLES = ('--experiment', '--model_dir', '--params_override', '--checkpoint', '--tpu')


class Parser(argparse.ArgumentParser):
  """Flags; a mistake is a `UserError` that names the nearest right flag."""

  def __init__(self, description: str):
    super().__init__(
        description=description, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    self.add_argument('--debug', action='store_true', help='show the whole trace of an error')

  def parse(self, argv: Sequence[str]) -> argparse.Namespace:
    """Returns the flags' values.

    Args:
      argv: what came after the program's name.

    Raises:
      UserError: a flag is unknown, has no value or a wrong one.
    """
    # Before argparse, which names the missing flags first where one is misspelled.
    known = self._flags()
    for word in argv:
      if word.startswith('--') and word != '--' and word.partition('=')[0] not in known:
        self._refuse(word)
    arguments, extra = self.parse_known_args(argv)
    if extra:
      self._refuse(extra[0])
    return arguments

  def error(self, message: str) -> NoReturn:
    message = message.removeprefix('argument ')
    no_value = re.match(r'(?P<flag>[^:]+): expected (one|at least one) argument', message)
    if no_value:
      flag = no_value['flag']
      hint = ' (is an environment variable empty?)' if flag in _FROM_VARIABLES else ''
      message = f'{flag} has no value; give one{hint}'
    raise errors.UserError(message)

  def _refuse(self, word: str) -> NoReturn:
    if not word.startswith('-'):
      raise errors.UserError(
          f'{errors.quoted(repr(word))} belongs to no flag; a value with blanks or an * in it must '
          'be in quotes')
    raise errors.unknown('flag', errors.quoted(word.partition('=')[0]), self._flags())

  def _flags(self) -> list[str]:
    """Returns the names of all flags."""
    return [f for action in self._actions for f in action.option_strings if f.startswith('--')]


def run(main: Callable[[Sequence[str]], int | None], argv: Sequence[str] | None = None) -> NoReturn:
  """Calls `main` with the arguments and ends the process.

  A user's mistake is printed as one line, with exit code 2; with --debug its trace comes before it.
  So is what the file system refuses where no program knew of it. Whatever else goes wrong keeps its
  trace: it is a fault of this program.

  Args:
    main: takes the arguments after the program's name; returns the exit code, None for 0.
    argv: the arguments; None: those of the process.
  """
  argv = sys.argv[1:] if argv is None else argv
  try:
    code = main(argv) or 0
  except errors.UserError as error:
    code = _refused(str(error), argv)
  except ModuleNotFoundError as error:
    if not extras.missing(error):
      raise
    code = _refused(extras.missing(error), argv)
  except BrokenPipeError:  # of what reads our output, e.g. `| head`
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    code = EXIT_BROKEN_PIPE
  except OSError as error:
    where = f'{error.filename}: ' if error.filename else ''
    code = _refused(errors.one_line(f'{where}{errors.reason(error)}'), argv)
  except KeyboardInterrupt:
    sys.stdout.flush()
    print('interrupted', file=sys.stderr)
    code = EXIT_INTERRUPTED
  sys.exit(code)


def _refused(message: str, argv: Sequence[str]) -> int:
  """Prints an error; returns the exit code. Called while the exception is handled."""
  if '--debug' in argv:
    traceback.print_exc()
  with contextlib.suppress(OSError):  # a full disk, where the output goes to a file
    sys.stdout.flush()
  print(f'error: {message}', file=sys.stderr)
  return EXIT_USER
