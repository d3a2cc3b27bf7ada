"""Which run the demo opens, its samples, and what it refuses in one line."""

import io
import os
import re
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from PIL import Image

from tests import support
from tests.scripts.predict_test import save_run
from tests.serving.http import support as http
from tf_maskformer.configs import environment
from tf_maskformer.dataloaders import images
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import demo


@pytest.fixture(autouse=True)
def restore_limit():
  """The programs set the limit of pixels of their process."""
  yield
  images.allow(images.MAX_PIXELS)


@pytest.fixture(scope='module', name='run')
def make_run(tmp_path_factory):
  return save_run(tmp_path_factory.mktemp('run'), [0.0] * 7 + [-20.0])


@pytest.fixture(name='runs')
def make_runs(tmp_path, monkeypatch):
  monkeypatch.setattr(environment, 'model_dir', lambda name, environ: str(tmp_path / name))
  monkeypatch.delenv('MODEL_DIR', raising=False)
  return tmp_path


def copied(run, folder, saved_at):
  folder.mkdir()
  for path in run.iterdir():
    (folder / path.name).write_bytes(path.read_bytes())
  for path in folder.glob('*.index'):
    os.utime(path, (saved_at, saved_at))


def test_without_a_run_one_line(runs):
  message = f'^there is no run of the embedded data set in {re.escape(str(runs))}; train one with'
  with pytest.raises(UserError, match=message):
    demo.main(['--port=0'])


def test_the_newest_run_of_the_embedded_data_set(runs, run, capsys, monkeypatch):
  copied(run, runs / 'older', 1000)
  copied(run, runs / 'newer', 2000)
  copied(run, runs / 'of_other_data', 3000)
  params = runs / 'of_other_data' / 'params.yaml'
  text = params.read_text()
  assert 'data_set: shapes_panoptic' in text
  params.write_text(text.replace('data_set: shapes_panoptic', 'data_set: coco_panoptic'))
  copied(run, runs / 'without_weights', 4000)
  for path in (runs / 'without_weights').glob('ckpt*'):
    path.unlink()
  copied(run, runs / 'damaged', 5000)
  (runs / 'damaged' / 'params.yaml').write_text('{')
  (runs / 'a_file').touch()
  assert demo.newest_run() == str(runs / 'newer')
  assert f'warning: {runs / "damaged"} is left out' in capsys.readouterr().out
  copied(run, runs.parent / f'{runs.name}_elsewhere', 6000)
  monkeypatch.setenv('MODEL_DIR', str(runs.parent / f'{runs.name}_elsewhere'))
  assert demo.newest_run() == str(runs.parent / f'{runs.name}_elsewhere')


def test_samples_of_the_embedded_data_set_are_images():
  samples = demo.samples_of(None, 'shapes_panoptic')
  shapes = {np.asarray(Image.open(io.BytesIO(sample.data))).shape[2] for sample in samples}
  assert len(samples) == 6 and shapes == {3}
  assert demo.samples_of(None, 'coco_panoptic') == []


def test_samples_of_a_folder(tmp_path):
  for number in range(14):
    (tmp_path / f'{number:02}.png').write_bytes(http.png(http.drawn(seed=number)))
  (tmp_path / 'notes.txt').touch()
  names = [sample.name for sample in demo.samples_of(str(tmp_path), 'coco_panoptic')]
  assert names == [f'{number:02}.png' for number in range(12)]


@pytest.mark.parametrize('flags, message', [
    (['--samples=/nowhere'], '--samples /nowhere is not a folder'),
    (['--checkpoint=/nowhere', '--port=0'], 'checkpoint /nowhere does not exist'),
    (['--port=-1'], '--port -1 is not between'), (['--experiment'], '--experiment has no value')])
def test_mistakes(flags, message):
  with pytest.raises(UserError, match=message):
    demo.main(flags)


def test_a_folder_without_images(tmp_path):
  with pytest.raises(UserError, match='has no images .*; name another folder'):
    demo.main([f'--samples={tmp_path}'])


def test_it_opens_the_page_and_ends_in_peace(run):
  command = [sys.executable, '-m', 'tf_maskformer', 'demo', f'--checkpoint={run}', '--port=0']
  process = subprocess.Popen(
      command, cwd=support.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
  try:
    url = None
    while url is None:
      line = process.stdout.readline()
      assert line, 'it ended'
      ready = re.search(r'(http://127\.0\.0\.1:\d+/) is ready', line)
      url = ready and ready[1]
    with urllib.request.urlopen(url, timeout=60) as answer:
      assert b'<title>tf-maskformer demo</title>' in answer.read()
    for name in ('main.js', 'style.css'):
      with urllib.request.urlopen(f'{url}page/{name}', timeout=60) as answer:
        assert answer.status == 200
    image = urllib.request.urlopen(f'{url}samples/0', timeout=60).read()
    request = urllib.request.Request(f'{url}predict?format=page', image, method='POST')
    with urllib.request.urlopen(request, timeout=60) as answer:
      assert b'"token":"' in answer.read()
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and 'requests were answered' in printed
  finally:
    process.kill()
