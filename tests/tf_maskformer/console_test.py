"""One command, a verb for each program; flags are checked before TensorFlow is loaded."""

import os
import subprocess
import sys

import pytest

from tests import support
from tf_maskformer import console
from tf_maskformer.errors import UserError


@pytest.fixture(scope='module', name='environment')
def without_tensorflow(tmp_path_factory):
  """An environment in which an import of TensorFlow ends the process."""
  folder = tmp_path_factory.mktemp('poison')
  for name in ('tensorflow', 'tf_keras', 'official'):
    (folder / f'{name}.py').write_text(f'raise SystemExit("{name} was imported")')
  return {**os.environ, 'PYTHONPATH': f'{folder}{os.pathsep}{support.ROOT}'}


def run(environment, *argv):
  return subprocess.run(
      [sys.executable, '-m', 'tf_maskformer', *argv], cwd='/', env=environment, capture_output=True,
      text=True, check=False, timeout=60)


@pytest.mark.parametrize('verb', console.VERBS)
def test_a_wrong_flag_is_answered_without_tensorflow(environment, verb):
  done = run(environment, verb, '--no_such_flag=3')
  assert done.returncode == 2 and done.stdout == ''
  assert done.stderr.startswith('error: ') and done.stderr.count('\n') == 1, done.stderr


@pytest.mark.parametrize('verb', console.VERBS)
def test_help_needs_no_tensorflow(environment, verb):
  done = run(environment, verb, '--help')
  assert done.returncode == 0 and done.stderr == ''
  assert done.stdout.startswith(f'usage: tf-maskformer {verb} ')


@pytest.mark.parametrize('argv, words', [
    (['train', '--experiment=maskformer_shapes_panotic'], 'mean maskformer_shapes_panoptic'),
    (['train', '--experiment=maskformer_shapes_panoptic', '--mode=evl'], 'did you mean eval'),
    (['train', '--model_dir=/nowhere'], '/nowhere has no params.yaml'),
    (['convert', '--experiment=mask', '--checkpoint=x', '--output=y'], "'mask' is unknown"),
    (['convert', '--checkpoint=x', '--output=/tmp'], '--output /tmp exists'),
    (['convert', '--checkpoint=x', '--output=/y', '--params_override=a='], 'a has an empty')])
def test_wrong_values_are_answered_without_tensorflow(environment, argv, words):
  done = run(environment, *argv)
  assert done.returncode == 2 and words in done.stderr and done.stderr.count('\n') == 1


def test_the_package_is_imported_without_tensorflow(environment):
  code = 'import tf_maskformer, tf_maskformer.console as c; print(dir(tf_maskformer), c.usage())'
  done = subprocess.run([sys.executable, '-c', code], cwd='/', env=environment, capture_output=True,
                        text=True, check=False)
  assert done.returncode == 0 and "'load'" in done.stdout


def test_usage(capsys):
  assert console.dispatch([]) == 0
  printed = capsys.readouterr().out
  for verb in console.VERBS:
    assert f'\n  {verb} ' in printed


def test_an_unknown_verb():
  with pytest.raises(UserError, match="verb 'predic' is unknown; did you mean predict"):
    console.dispatch(['predic'])
