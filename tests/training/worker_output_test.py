"""A worker that is not the chief prints its own warnings and errors only."""

import subprocess
import sys

from tests import support

SCRIPT = """
import sys
from tf_maskformer import errors
from tf_maskformer.training import worker_output
worker_output.reduce_to_own(3)
print('step 1/2', flush=True)
print('step', '2/2')
errors.warn('slow')
sys.stdout.write('warning: in')
sys.stdout.write(' parts\\nand more\\n')
print('error: one', file=sys.stderr)
sys.exit('error: two')
"""


def test_warnings_and_errors_have_the_workers_number():
  done = subprocess.run(
      [sys.executable, '-c', SCRIPT], cwd=support.ROOT, capture_output=True, text=True,
      check=False)
  assert done.stdout == 'worker 3: warning: slow\nworker 3: warning: in parts\n'
  assert done.stderr == 'worker 3: error: one\nworker 3: error: two\n'
