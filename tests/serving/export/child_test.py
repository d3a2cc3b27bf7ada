"""Work in another process: its value, its mistakes and its crashes."""

import os
import signal
import sys

import pytest

from tf_maskformer.errors import UserError
from tf_maskformer.serving.export import child


def double(number):
  """Returns twice a number, from another process."""
  return 2 * number, os.getpid()


def mistake():
  """Fails as a user's mistake does."""
  raise UserError('a wrong size; give another')


def fault():
  """Fails as a fault of the program does."""
  print('last words', file=sys.stderr, flush=True)
  raise ValueError('first line\nsecond line')


def killed():
  """Ends as by a full memory."""
  os.kill(os.getpid(), signal.SIGKILL)


def test_a_value(tmp_path):
  done = child.call('doubling', tmp_path / 'log', double, 21)
  assert done.value[0] == 42 and done.value[1] != os.getpid()
  assert done.peak_gb > 0.001


def say(text):
  """Prints a text."""
  print(text, flush=True)


def test_what_is_printed_can_go_to_the_log(tmp_path, capfd):
  child.call('it', tmp_path / 'log', say, 'a remark')
  child.call('it', tmp_path / 'log', say, 'noise', is_silent=True)
  assert capfd.readouterr().out == 'a remark\n'
  assert (tmp_path / 'log').read_text() == 'noise\n'


def test_a_mistake_stays_one(tmp_path):
  with pytest.raises(UserError, match='^a wrong size; give another$'):
    child.call('it', tmp_path / 'log', mistake)


def test_a_fault_is_one_line_with_its_trace_behind_it(tmp_path):
  with pytest.raises(UserError, match='the trial failed: ValueError: first line; --debug') as error:
    child.call('the trial', tmp_path / 'log', fault)
  assert 'second line' in str(error.value.__cause__) and 'last words' in str(error.value.__cause__)


def test_a_process_that_is_killed(tmp_path):
  with pytest.raises(UserError, match='the trial failed: .* ended by SIGKILL; was the memory full'):
    child.call('the trial', tmp_path / 'log', killed)


def in_need():
  """Needs a package that is not there."""
  __import__('not_there')


def test_a_base_package_that_is_missing_is_a_mistake(tmp_path):
  with pytest.raises(UserError, match='^not_there is not installed for '):
    child.call('the trial', tmp_path / 'log', in_need)
