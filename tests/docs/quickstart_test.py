"""The notebook runs as it stands, and holds no outputs."""

import ast
import json
import os
import subprocess
import sys

import pytest

from tests import support

NOTEBOOK = support.ROOT / 'docs' / 'quickstart.ipynb'
LARGEST = 200_000  # bytes
# What must be true at the end of the notebook.
CHECKS = """
assert points[-1][0] == STEPS
assert points[-1][1] < points[0][1] / 2, points
assert len(results) == 4
assert results[0].id_map.shape == np.asarray(Image.open(held_out[0])).shape[:2]
assert {segment.label for result in results for segment in result.segments} >= {'sky'}
assert (FOLDER / 'predictions' / f'{held_out[0].stem}.json').is_file()
"""


def cells() -> list[str]:
  """Returns the code cells, without those that install packages."""
  content = json.loads(NOTEBOOK.read_text())
  code = [''.join(cell['source']) for cell in content['cells'] if cell['cell_type'] == 'code']
  return [source for source in code if not source.startswith('%pip')]


def test_small_and_without_outputs():
  assert NOTEBOOK.stat().st_size < LARGEST
  for cell in json.loads(NOTEBOOK.read_text())['cells']:
    assert not cell.get('outputs') and cell.get('execution_count') is None


def test_every_cell_is_python_in_the_style_of_the_project():
  for source in cells():
    ast.parse(source)
    assert max(map(len, source.splitlines())) <= 100
    assert 'matplotlib' not in source  # not a requirement of the project


@pytest.mark.slow
def test_it_runs(tmp_path):
  script = tmp_path / 'quickstart.py'
  # Data are converted in child processes, which import this file again.
  body = '\n\n'.join([*cells(), CHECKS])
  script.write_text("if __name__ == '__main__':\n  exec(" + repr(body) + ')\n')
  environment = {**os.environ, 'PYTHONPATH': str(support.ROOT), 'CUDA_VISIBLE_DEVICES': '-1'}
  done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment,
                        capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
  assert 'weights:' in done.stdout
