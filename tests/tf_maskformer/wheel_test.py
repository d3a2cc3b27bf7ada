"""The wheel in an empty environment, away from the checkout: command, import, and nothing else.

The environment sees this Python's other packages (TensorFlow and so on), but not the checkout.
"""

import importlib.metadata
import os
import pathlib
import subprocess
import sys
import venv

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests import mutations
from tests import support
from tf_maskformer.configs.experiments import registry
from tf_maskformer.configs.experiments import settings
from tf_maskformer.modeling.factory import build_model

pytestmark = pytest.mark.slow
NAME = 'maskformer_shapes_panoptic'
_SETUPTOOLS = 77  # the first that knows license expressions, see [build-system] of pyproject.toml


def run(*command, folder):
  """Runs a command without the checkout on Python's path; returns what it printed."""
  environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
  environment['TF_CPP_MIN_LOG_LEVEL'] = '3'
  done = subprocess.run([str(part) for part in command], cwd=folder, env=environment, text=True,
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
  assert done.returncode == 0, done.stdout[-3000:]
  return done.stdout


@pytest.fixture(scope='module', name='environment')
def install(tmp_path_factory):
  """Builds the wheel from a copy of the tree and installs it; returns the environment's folder."""
  if int(importlib.metadata.version('setuptools').split('.')[0]) < _SETUPTOOLS:
    pytest.skip(f'building a wheel needs setuptools {_SETUPTOOLS}')
  folder = tmp_path_factory.mktemp('wheel')
  copy = mutations.copy_of_the_tree(folder)
  pip = [sys.executable, '-m', 'pip', '--disable-pip-version-check']
  run(*pip, 'wheel', '--no-deps', '--no-build-isolation', '--wheel-dir', folder / 'dist', copy,
      folder=folder)
  wheel, = (folder / 'dist').glob('tf_maskformer-*.whl')

  environment = folder / 'environment'
  venv.create(environment, with_pip=False)
  python = environment / 'bin' / 'python'
  run(*pip, '--python', python, 'install', '--no-deps', '--no-index', wheel, folder=folder)
  site_packages, = environment.glob('lib/python*/site-packages')
  others = pathlib.Path(tf.__file__).parents[1]
  (site_packages / 'others.pth').write_text(f'{others}\n')
  return environment


@pytest.fixture(scope='module', name='checkpoint')
def write_checkpoint(tmp_path_factory):
  """A folder with weights and the params.yaml by which it loads alone."""
  folder = tmp_path_factory.mktemp('run')
  experiment = registry.get(NAME)
  settings.settle(experiment, changes=['task.evaluation.object_mask_threshold=0'])
  checkpoint = tf.train.Checkpoint(model=build_model(experiment.task.model, seed=1))
  tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=1).save()
  settings.write(str(folder), NAME, experiment)
  return folder


def draw(folder):
  path = folder / 'street.png'
  pixels = np.random.default_rng(0).integers(0, 256, [60, 80, 3], np.uint8)
  Image.fromarray(pixels).save(path)
  return path


def test_the_command_predicts(environment, checkpoint, tmp_path):
  command = environment / 'bin' / 'tf-maskformer'
  run(command, 'predict', '--checkpoint', checkpoint, '--input', draw(tmp_path), '--output', 'out',
      folder=tmp_path)
  assert Image.open(tmp_path / 'out' / 'street.png').size == (80, 60)
  assert (tmp_path / 'out' / 'predictions.json').is_file()


def test_the_library_predicts(environment, checkpoint, tmp_path):
  draw(tmp_path)
  code = f"""
import tf_maskformer
model = tf_maskformer.load({str(checkpoint)!r})
result = model.predict('street.png')
print([segment.label for segment in result.segments], result.id_map.shape)
result.save('out/')
result.draw().save('drawn.png')
"""
  printed = run(environment / 'bin' / 'python', '-c', code, folder=tmp_path)
  assert '(60, 80)' in printed
  assert Image.open(tmp_path / 'drawn.png').width >= 80


def test_no_other_name_is_installed(environment, tmp_path):
  code = f"""
import importlib.metadata, tf_maskformer
assert not tf_maskformer.__file__.startswith({str(support.ROOT)!r}), tf_maskformer.__file__
files = importlib.metadata.files('tf-maskformer')
print(sorted({{file.parts[0] for file in files if file.suffix == '.py'}}))
"""
  # Packages of others may be called `tests`; ours installs one name.
  printed = run(environment / 'bin' / 'python', '-c', code, folder=tmp_path)
  assert printed.strip() == "['tf_maskformer']"


def test_runs_go_to_the_working_directory(environment, tmp_path):
  code = 'from tf_maskformer.configs import environment; print(environment.model_dir("x", {}))'
  printed = run(environment / 'bin' / 'python', '-c', code, folder=tmp_path)
  assert printed.strip() == str(tmp_path / 'runs' / 'x')
