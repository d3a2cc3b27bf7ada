"""The converter as a user calls it: in, out, and what it refuses."""

import os
import pickle

import numpy as np
import pytest

from tf_maskformer.configs import overrides
from tf_maskformer.configs.experiments import registry
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import exports
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.conversion import restore
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.scripts import convert_checkpoint

NAME = 'maskformer_shapes_panoptic'
SMALL = ('task.model.pixel_decoder.width=32,task.model.pixel_decoder.mask_width=32,'
         'task.model.transformer_decoder.layers=1')


def model_of(seed):
  experiment = registry.get(NAME)
  overrides.apply(experiment, SMALL)
  experiment.task.resolve()
  return build_model(experiment.task.model, seed=seed)


def convert(checkpoint, output, *more):
  convert_checkpoint.main([
      f'--experiment={NAME}', f'--checkpoint={checkpoint}', f'--output={output}',
      f'--params_override={SMALL}', *more])


def test_there_and_back(tmp_path, capsys):
  model = model_of(1)
  exports.write(exports.official_state(model, 0.1), str(tmp_path / 'theirs.pkl'))
  convert(tmp_path / 'theirs.pkl', tmp_path / 'folder')
  assert f'{len(names.entries(model))} tensors restored, 0 kept' in capsys.readouterr().out
  again = model_of(2)
  restore.restore(again, str(tmp_path / 'folder'))
  convert(tmp_path / 'folder', tmp_path / 'back.pkl')
  files = [(tmp_path / name).read_bytes() for name in ('theirs.pkl', 'back.pkl')]
  first, second = (pickle.loads(data)['model'] for data in files)
  assert set(first) == set(second)
  for name, value in first.items():
    assert value.tobytes() == second[name].tobytes()
  assert sorted(os.listdir(tmp_path)) == ['back.pkl', 'folder', 'theirs.pkl']


def test_refusals_leave_nothing(tmp_path):
  class Evil:
    def __reduce__(self):
      return os.system, (f'touch {tmp_path}/ran',)
  (tmp_path / 'evil.pkl').write_bytes(pickle.dumps({'model': Evil()}))
  (tmp_path / 'list.pkl').write_bytes(pickle.dumps([np.zeros(3)]))
  for checkpoint, output, words in (
      ('evil.pkl', 'out', 'is refused'), ('list.pkl', 'out', 'is not a dictionary of tensors'),
      ('none.pkl', 'out', 'not exist'),
      ('evil.pkl', 'list.pkl', 'exists; remove it')):
    with pytest.raises(UserError, match=words):
      convert(tmp_path / checkpoint, tmp_path / output)
  assert sorted(os.listdir(tmp_path)) == ['evil.pkl', 'list.pkl']


def test_weights_that_are_not_finite_are_converted_where_asked_for(tmp_path):
  model = model_of(1)
  variable = names.entries(model)['backbone.stem.conv1.weight'].variable
  variable.assign(variable * np.inf)
  exports.write(exports.official_state(model, 0.1), str(tmp_path / 'theirs.pkl'))
  with pytest.raises(UserError, match=r'NaN or infinite weights .*backbone.stem.conv1.weight'):
    convert(tmp_path / 'theirs.pkl', tmp_path / 'out')
  assert os.listdir(tmp_path) == ['theirs.pkl']
  convert(tmp_path / 'theirs.pkl', tmp_path / 'out', '--allow_nonfinite_weights')
  convert(tmp_path / 'out', tmp_path / 'back.pkl', '--allow_nonfinite_weights')
