"""The flags that name a runner of Apache Beam, as far as they are judged without it."""

import importlib

import pytest

from tf_maskformer.dataloaders.preparation import runners
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import prepare_custom
from tf_maskformer.scripts import prepare_data


def test_no_runner():
  assert runners.of_flags(None, [], 'out') is None
  with pytest.raises(UserError, match='--runner_options goes with --runner; give both'):
    runners.of_flags(None, ['a=1'], 'out')


@pytest.mark.parametrize('main, flags', [
    (prepare_data.main, ['coco_panoptic', '--coco_root=nowhere']),
    (prepare_custom.main, ['--data=nowhere'])])
def test_an_unknown_runner_is_answered_first(tmp_path, main, flags):
  with pytest.raises(UserError, match="^--runner 'Flink' is unknown; known: DirectRunner, Dataf"):
    main([*flags, f'--output={tmp_path}/out', '--runner=Flink'])
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('option', ['=1', 'a b', '--a=1', 'runner=X'])
def test_what_is_not_an_option(option):
  with pytest.raises(UserError, match='^--runner_options '):
    runners.of_flags('DirectRunner', [option], 'out')


def test_beam_that_is_not_installed(monkeypatch):
  find = importlib.import_module

  def missing(name, *args):
    if name.partition('.')[0] == 'apache_beam':
      raise ModuleNotFoundError(name=name)
    return find(name, *args)

  monkeypatch.setattr(importlib, 'import_module', missing)
  with pytest.raises(UserError, match='^apache-beam is not installed; run: .*--extras beam'):
    runners.of_flags('DirectRunner', [], 'out')
