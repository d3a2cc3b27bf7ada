"""The matrix of exports: what cannot be is a row that says why, and what is done stays done."""

import json
import multiprocessing
import threading
import time

import pytest

from tf_maskformer.errors import UserError
from tf_maskformer.scripts import export_matrix
from tf_maskformer.scripts import matrix_rows

ONE = ['--models', 'maskformer_shapes_panoptic', '--formats', 'tflite', '--kinds', 'dynamic',
       '--sizes', '256']


def test_what_a_format_cannot_do_is_a_row(tmp_path, capsys):
  flags = [*ONE, f'--output={tmp_path}/matrix', '--tasks']
  export_matrix.main([*flags, 'panoptic'])
  export_matrix.main([*flags, 'panoptic', 'raw'])
  rows = json.loads((tmp_path / 'matrix/matrix.json').read_text())
  assert [row['task'] for row in rows] == ['panoptic', 'raw']
  assert all('needs a fixed input size' in row['problem'] for row in rows)
  table = (tmp_path / 'matrix/matrix.md').read_text().splitlines()
  assert len(table) == 4 and len({line.count('|') for line in table}) == 1
  assert capsys.readouterr().out.count('needs a fixed input size') == 2


def test_a_row_that_works():
  row = {'model': 'm', 'format': 'onnx', 'task': 'raw', 'kind': 'fixed', 'size': 256,
         'largest': 1.4e-5, 'equal': 1 - 1e-7, 'seconds': 0.5, 'own_seconds': 1.25, 'bytes': 2e8}
  assert matrix_rows.text(row) == [
      'm', 'onnx', 'raw', '256 fixed', 'works', '1e-05', '99.999 %', '0.50', '1.25', '200']
  assert matrix_rows.text({**row, 'equal': 1})[6] == '100 %'


@pytest.mark.parametrize('flags, message', [
    (['--models', 'mask'], "model 'mask' is unknown"), (['--kinds', 'x'], "kind 'x' is unknown"),
    (['--formats', 'onx'], "format 'onx' is unknown; did you mean onnx"),
    (['--sizes', 'big'], 'invalid int'), (['--precision', 'x'], "precision 'x' is unknown")])
def test_mistakes(tmp_path, flags, message):
  with pytest.raises(UserError, match=message):
    export_matrix.main([f'--output={tmp_path}/matrix', *flags])
  assert not (tmp_path / 'matrix').exists()


@pytest.mark.slow
def test_a_process_that_is_killed_is_one_row(tmp_path):
  killer = threading.Thread(target=_kill_first_child)
  killer.start()
  export_matrix.main([
      '--models', 'maskformer_shapes_panoptic', '--formats', 'saved_model', '--kinds', 'fixed',
      '--sizes', '64', '--tasks', 'semantic', 'raw', f'--output={tmp_path}/matrix'])
  killer.join()
  killed, works = matrix_rows.read(tmp_path / 'matrix')
  assert killed['task'] == 'semantic' and 'was ended by SIGKILL' in killed['problem']
  assert works['task'] == 'raw' and works['largest'] < 1e-4 and works['equal'] == 1
  assert works['bytes'] > 1e6 and works['seconds'] > 0


def _kill_first_child():
  while not multiprocessing.active_children():
    time.sleep(0.05)
  multiprocessing.active_children()[0].kill()
