"""Contested locks: processes that start at once never get in together, whatever lies there."""

import functools
import json
import pathlib
import random
import subprocess
import sys
from collections.abc import Iterator

from tests import support
from tests.faults.jobs import World
from tests.faults.outcome import Case
from tests.faults.outcome import Fault

_CONTENDERS = 6
_DEAD = ('import os, signal, sys\n'
         'from tf_maskformer import lock\n'
         'with lock.held(sys.argv[1]):\n'
         '  os.kill(os.getpid(), signal.SIGKILL)\n')
_CONTENTS = {
    'empty': b'', 'zeros': bytes(64), 'cut JSON': b'{"host": "a", "pi', 'a list': b'[]',
    'no pid': b'{"host": "a"}', 'a huge pid': b'{"host": "a", "pid": 1180591620717411303424}',
    'text': b'locked', 'not UTF-8': b'\xff\xfe\x80', 'another host': b'{"host": "a", "pid": 1}'}
_STATES = ('nothing', 'a dead process', *_CONTENTS)


def cases(seed: int, count: int, world: World | None = None) -> Iterator[Case]:
  """Yields rounds of contested starts, each in a folder with something left behind."""
  del world
  for number in range(count):
    chance = random.Random(f'locks {seed} {number}')
    state = chance.choice(_STATES)
    contenders = chance.randint(2, _CONTENDERS + 2)
    yield Case(f'{contenders} starts at once after {state}',
               functools.partial(check, state, contenders))


def check(state: str, contenders: int, folder: pathlib.Path) -> None:
  """Starts contenders in a folder.

  Raises:
    Fault: two got in at once, none did, or one ended otherwise than refused.
  """
  if state == 'a dead process':
    _python('-c', _DEAD, str(folder))
  elif state in _CONTENTS:
    (folder / '.lock').write_bytes(_CONTENTS[state])
  output = _python('-m', 'tests.faults.contender', str(folder), str(contenders))
  last = output.splitlines()[-1] if output.strip() else ''
  if not last.startswith('{'):
    raise Fault('the contenders did not end', output)
  ends = json.loads(last)
  if ends['wrong']:
    raise Fault(f'{ends["wrong"]} of {contenders} ended wrongly: two at once, or an error', output)
  if not ends['in']:
    raise Fault(f'none of {contenders} got in', output)


def _python(*arguments: str) -> str:
  ended = subprocess.run(
      [sys.executable, *arguments], cwd=support.ROOT, capture_output=True, text=True, check=False)
  return ended.stderr + ended.stdout
