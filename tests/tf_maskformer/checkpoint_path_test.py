"""A mistyped checkpoint is said at once, and in the same words wherever it is noticed."""

import subprocess
import sys

import pytest

from tests import support
from tf_maskformer import checkpoint_path
from tf_maskformer.errors import UserError


def test_what_may_be_a_checkpoint(tmp_path):
  (tmp_path / 'model.pkl').touch()
  (tmp_path / 'ckpt-5.index').touch()
  for path in ('', 'model.pkl', 'ckpt-5', 'ckpt-5.index'):
    checkpoint_path.require(str(tmp_path / path))
  checkpoint_path.require('gs://bucket/run')
  for path in ('model', 'ckpt-6', 'model.pkl/x'):
    with pytest.raises(UserError, match=f'checkpoint {tmp_path}/{path} does not exist'):
      checkpoint_path.require(str(tmp_path / path))


PROGRAM = """
import sys
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import convert_checkpoint, export, predict
for program, flags in (
    (predict, [f'--input={sys.argv[1]}', '--output=out']),
    (export, ['--format=saved_model', '--output=out']), (convert_checkpoint, ['--output=out'])):
  try:
    program.main(['--checkpoint=/nowhere', *flags])
  except UserError as e:
    print(e)
print('tensorflow' in sys.modules)
"""


def test_it_is_said_without_tensorflow(tmp_path):
  (tmp_path / 'image.png').touch()
  done = subprocess.run(
      [sys.executable, '-c', PROGRAM, str(tmp_path)], cwd=support.ROOT, capture_output=True,
      text=True, check=True)
  *said, has_tensorflow = done.stdout.splitlines()
  assert said == 3 * [str(checkpoint_path.missing('/nowhere'))]
  assert has_tensorflow == 'False'
