"""The door: exit codes, one line for a mistake, nearest flags."""

import pathlib
import subprocess
import sys

import pytest

from tf_maskformer import cli
from tf_maskformer.errors import UserError


def _parser():
  parser = cli.Parser('A program.')
  parser.add_argument('--experiment')
  parser.add_argument('--count', type=int)
  return parser


def _exit_code(main, argv=()):
  with pytest.raises(SystemExit) as stop:
    cli.run(main, list(argv))
  return stop.value.code


def test_exit_code_of_the_program():
  assert _exit_code(lambda argv: None) == 0
  assert _exit_code(lambda argv: 143) == 143


def test_arguments_reach_the_program():
  seen = []
  _exit_code(seen.extend, ['--a', 'b'])
  assert seen == ['--a', 'b']


def test_a_mistake_is_one_line(capsys):
  def main(argv):
    raise UserError('the folder is empty; fill it')
  assert _exit_code(main) == 2
  captured = capsys.readouterr()
  assert captured.err == 'error: the folder is empty; fill it\n' and captured.out == ''


def test_debug_shows_the_trace(capsys):
  def main(argv):
    raise UserError('wrong')
  assert _exit_code(main, ['--debug']) == 2
  error = capsys.readouterr().err
  assert 'Traceback' in error and error.endswith('error: wrong\n')


def test_interrupt():
  def main(argv):
    raise KeyboardInterrupt
  assert _exit_code(main) == 130


def test_faults_of_the_program_keep_their_trace():
  def main(argv):
    raise ZeroDivisionError
  with pytest.raises(ZeroDivisionError):
    cli.run(main, [])


def test_parse():
  arguments = _parser().parse(['--experiment=x', '--count', '3'])
  assert (arguments.experiment, arguments.count, arguments.debug) == ('x', 3, False)


@pytest.mark.parametrize('argv, message', [
    (['--experimnt', 'x'], "flag '--experimnt' is unknown; did you mean --experiment"),
    (['--exp=x'], "flag '--exp' is unknown"),
    (['--experiment'], '--experiment has no value; give one (is an environment variable empty?)'),
    (['--count'], '--count has no value; give one'),
    (['x' * 10**5], 'belongs to no flag'), (['--' + 'y' * 10**5], 'is unknown'),
    (['--experiment', '--count=3'], '--experiment has no value; give one'),
    (['--count=x'], "--count: invalid int value: 'x'"),
    (['--experiment=a', 'b'], "'b' belongs to no flag"),
])
def test_wrong_flags(argv, message):
  with pytest.raises(UserError) as error:
    _parser().parse(argv)
  assert message in str(error.value) and len(str(error.value)) < 1000


def test_what_the_file_system_refuses_is_one_line(capsys):
  def main(argv):
    pathlib.Path('/not/there').write_bytes(b'x')
  assert _exit_code(main) == 2
  assert capsys.readouterr().err == 'error: /not/there: No such file or directory\n'


def test_a_reader_that_stops_early_is_not_a_fault():
  code = ('from tf_maskformer import cli\n'
          'cli.run(lambda argv: print("x" * 10**6))')
  program = subprocess.Popen(
      [sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
  program.stdout.close()
  assert program.stderr.read() == b'' and program.wait() == 141


def test_only_flags_that_variables_fill_are_said_to_be_so():
  with pytest.raises(UserError) as error:
    _parser().parse(['--count'])
  assert 'environment' not in str(error.value)


def test_a_base_package_that_is_missing_is_one_line(capsys):
  assert _exit_code(lambda argv: __import__('not_there.part')) == 2
  error, = capsys.readouterr().err.splitlines()
  assert error.startswith('error: not_there is not installed for ') and 'setup_env.sh' in error
  with pytest.raises(ModuleNotFoundError):  # a fault of the program
    cli.run(lambda argv: __import__('tf_maskformer.not_there'), [])
