"""ONNX and OpenVINO folders run in an environment without TensorFlow."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.serving.export import formats
from tests.serving.export import small
from tf_maskformer.serving.export.plan import Plan


@pytest.mark.slow
@pytest.mark.parametrize('name, package', [('onnx', 'onnxruntime'), ('openvino', 'openvino')])
def test_in_a_fresh_environment(tmp_path, name, package):
  folder = tmp_path / 'exported'
  folder.mkdir()
  runtime, _ = formats.write(folder, Plan(name, 'panoptic'), small.RESIZED)
  image = small.images()[1]
  Image.fromarray(image).save(tmp_path / 'photo.png')
  python = tmp_path / 'venv' / 'bin' / 'python'
  subprocess.run([sys.executable, '-m', 'venv', str(tmp_path / 'venv')], check=True)
  subprocess.run([python, '-m', 'pip', '-q', 'install', 'numpy', 'pillow', package], check=True)
  assert subprocess.run([python, '-c', 'import tensorflow'], capture_output=True).returncode
  done = subprocess.run(
      [python, 'run.py', tmp_path / 'photo.png', '--output', tmp_path / 'out'], cwd=folder,
      capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr
  ids = np.asarray(Image.open(tmp_path / 'out' / 'photo.png')).astype(int) @ [1, 256, 65536]
  np.testing.assert_array_equal(ids, runtime.run(image)['id_map'])
  row, = json.loads((tmp_path / 'out' / 'photo.json').read_text())['annotations']
  assert len(row['segments_info']) == ids.max()
  wrong = subprocess.run(
      [python, 'run.py', 'nothing.png', '--output', tmp_path / 'out'], cwd=folder,
      capture_output=True, text=True, check=False)
  assert wrong.returncode == 2 and wrong.stderr == 'error: image nothing.png does not exist\n'
