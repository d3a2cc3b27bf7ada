"""The export program as a user calls it: a folder that works, or one line and nothing."""

import json
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import tf_maskformer
from tests import support
from tests.serving.export import small
from tf_maskformer import lock
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import export
from tf_maskformer.serving.export import compare

MEGABYTE = 2**20


@pytest.fixture(scope='module', name='run')
def make_run(tmp_path_factory):
  return small.save_run(tmp_path_factory.mktemp('run'), small.PANOPTIC, small.RESIZED)


def flags(run, output, *more):
  return [f'--checkpoint={run}', f'--output={output}', '--format=saved_model', *more]


def names(folder):
  return sorted(os.listdir(folder))


@pytest.mark.slow
def test_a_model_for_tensorflow_serving(run, tmp_path, capsys):
  pytest.importorskip('tensorflow_serving.apis.prediction_log_pb2')
  export.main(flags(run, tmp_path / 'shapes', '--layout=serving'))
  printed = capsys.readouterr().out
  assert 'exporting: SavedModel, panoptic, float32, images of any size' in printed
  assert f'wrote {tmp_path}/shapes/1' in printed and names(tmp_path) == ['shapes']
  folder = tmp_path / 'shapes' / '1'
  assert names(folder) == [
      'assets', 'assets.extra', 'export_report.json', 'fingerprint.pb', 'metadata.json',
      'saved_model.pb', 'variables']
  report = json.loads((folder / 'export_report.json').read_text())
  assert len(report['images']) >= 5 and any(row['resized'] for row in report['images'])
  assert any(side % 2 for row in report['images'] for side in row['size'])
  assert 0 < max(row['largest'] for row in report['images'] if not row['resized']) < 1e-3
  assert report['seconds_per_image'] > 0 and report['bytes'] > 1e5
  assert 'Conv2D' in report['operations'] and report['peak_memory_gb']['conversion'] > 0.1
  model = tf_maskformer.load(tmp_path / 'shapes')
  checkpoint = tf_maskformer.load(run)
  for image in small.images():
    found, expected = model.predict(image), checkpoint.predict(image)
    assert (found.id_map == expected.id_map).mean() > 0.999


def test_what_is_beyond_the_tolerance_is_not_written(run, tmp_path, monkeypatch, capsys):
  monkeypatch.setitem(compare.TOLERANCES, 'float32', compare.Tolerance(1e-12, 1e-12, 1.0, 0.0))
  monkeypatch.setattr(compare, 'JUMPS', compare.Tolerance(0.0, 0.0, 1.0, 0.0))
  message = 'answers otherwise than the checkpoint: at 48x48 pixels .*; nothing was written'
  with pytest.raises(UserError, match=message):
    export.main(flags(run, tmp_path / 'out', '--task=raw'))
  assert names(tmp_path) == [] and 'equal pixels' in capsys.readouterr().out


@pytest.mark.slow
def test_rounding_that_moves_the_checkpoint_moves_its_export(run, tmp_path, monkeypatch, capsys):
  monkeypatch.setitem(compare.TOLERANCES, 'float32', compare.Tolerance(1e-12, 1e-12, 1.0, 0.0))
  export.main(flags(run, tmp_path / 'out', '--task=raw'))
  rows = json.loads((tmp_path / 'out' / 'export_report.json').read_text())['images']
  looked_at = [row for row in rows if row['of_checkpoint_with_noise']]
  assert looked_at
  for row in looked_at:
    assert 0 < row['largest'] <= 2 * row['of_checkpoint_with_noise']['largest']
  assert 'rounding changes the checkpoint itself by' in capsys.readouterr().out


@pytest.mark.slow
def test_a_full_disk(run, tmp_path):
  former = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (MEGABYTE, former[1]))
  try:
    with pytest.raises(UserError, match='cannot be written|failed'):
      export.main(flags(run, tmp_path / 'out'))
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, former)
  assert names(tmp_path) == []


@pytest.mark.parametrize('more, message', [
    (['--task=semantics'], "task 'semantics' is unknown; did you mean semantic"),
    (['--format=saved_modl'], "format 'saved_modl' is unknown; did you mean saved_model"),
    (['--precision=float3'], "precision 'float3' is unknown"),
    (['--layout=tree'], "layout 'tree' is unknown"),
    (['--experiment=mask'], "experiment 'mask' is unknown"),
    (['--input_size=12'], '--input_size 12 is out of range'),
    (['--input_size=big'], "--input_size 'big' is not a size"),
    (['--precision=int8'], 'cannot be written in int8; SavedModel can have float32 or bfloat16'),
    (['--format=tflite'], 'needs a fixed input size'),
    (['--format=openvino', '--precision=int8'], 'give --calibration_images FOLDER'),
    (['--calibration_images=x'], 'has no effect'),
    (['--records=x', '--task=raw'], '--records has no effect on --task raw'),
    (['--records_limit=-1'], 'is below 0'),
    (['--output='], '--output is empty'),
    (['--output=gs://bucket/x'], 'is remote'),
    (['--params_override=a='], 'a has an empty')])
def test_mistakes_are_answered_at_once(tmp_path, more, message):
  with pytest.raises(UserError, match=message):
    export.main(flags(tmp_path, tmp_path / 'out', *more))
  assert names(tmp_path) == []


def test_an_output_in_use(run, tmp_path):
  (tmp_path / 'out').mkdir()
  (tmp_path / 'out' / 'notes.txt').write_text('mine')
  with pytest.raises(UserError, match='holds notes.txt'):
    export.main(flags(run, tmp_path / 'out'))
  with lock.held(tmp_path, '.new.lock'), pytest.raises(UserError, match='is in use by process'):
    export.main(flags(run, tmp_path / 'new'))
  assert names(tmp_path) == ['out']


def test_a_checkpoint_of_another_model(run, tmp_path):
  with pytest.raises(UserError, match='does not fit the model') as error:
    export.main(flags(run, tmp_path / 'out', f'--experiment={small.MASK2FORMER}'))
  assert '\n' not in str(error.value) and names(tmp_path) == []


def test_a_checkpoint_that_is_not_there(tmp_path):
  with pytest.raises(UserError, match='/nowhere does not exist'):
    export.main(flags('/nowhere', tmp_path / 'out'))
  assert names(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_export_leaves_nothing(run, tmp_path, number):
  process = subprocess.Popen(
      [sys.executable, '-m', 'tf_maskformer', 'export', *flags(run, tmp_path / 'out')],
      cwd=support.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
  deadline = time.monotonic() + 60
  while not (tmp_path / '.part-out').exists() and time.monotonic() < deadline:
    time.sleep(0.05)
  time.sleep(3)
  process.send_signal(number)
  _, said = process.communicate(timeout=30)
  assert process.returncode == (143 if number == signal.SIGTERM else 130)
  assert said == b'interrupted\n' and names(tmp_path) == []


@pytest.mark.slow
def test_a_fixed_size_and_triton(run, tmp_path):
  export.main(flags(run, tmp_path / 'shapes', '--layout=triton', '--input_size=64x96'))
  assert names(tmp_path / 'shapes') == ['1', 'config.pbtxt']
  config = (tmp_path / 'shapes' / 'config.pbtxt').read_text()
  assert 'name: "shapes"' in config and 'dims: [ -1, 64, 96, 3 ]' in config
  result = tf_maskformer.load(tmp_path / 'shapes').predict(np.zeros([30, 50, 3], np.uint8))
  assert result.id_map.shape == (30, 50)
