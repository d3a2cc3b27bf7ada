"""A run's folder is enough to draw predictions next to the truth and to tabulate scores."""

import json

import numpy as np
import pytest
import tensorflow as tf
import yaml
from PIL import Image

from tests import records
from tf_maskformer.configs import overrides
from tf_maskformer.configs.experiments import registry
from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.scripts import show_results

NAME = 'maskformer_shapes_panoptic'
SMALL = ('task.model.pixel_decoder.width=32,task.model.pixel_decoder.mask_width=32,'
         'task.model.transformer_decoder.layers=1,task.evaluation.object_mask_threshold=0,'
         'task.evaluation.overlap_threshold=0')


@pytest.fixture(scope='module', name='run')
def make_run(tmp_path_factory):
  """A run's folder: a checkpoint, params.yaml, two evaluations, the earlier in an old form."""
  folder = tmp_path_factory.mktemp('run')
  experiment = registry.get(NAME)
  overrides.apply(experiment, SMALL)
  experiment.task.resolve()
  data = records.shapes_records(tmp_path_factory.mktemp, 1, 3)
  experiment.task.validation_data.input_path = f'{data}/val*'
  model = build_model(experiment.task.model, seed=1)
  model.predictor.class_embed.bias.assign([0.0] * 7 + [-20.0])  # nothing is no-object
  tf.train.Checkpoint(model=model).save(str(folder / 'ckpt'))
  text = yaml.safe_dump({'experiment': NAME, **experiment.as_dict()})
  (folder / 'params.yaml').write_text(text)
  (folder / 'evaluations').mkdir()
  earlier = {'step': 5, 'pictures': 3, 'metrics': {'pq_all': 1.25}}
  later = {'step': 10, 'images': 3, 'metrics': {'pq_all': 20.04, 'miou': 30.0, 'other': 1.0}}
  (folder / 'evaluations/step_000005.json').write_text(json.dumps(earlier))
  (folder / 'evaluations/step_000010.json').write_text(json.dumps(later))
  return folder


@pytest.mark.parametrize('folder_flag, flag, count', [
    ('--model_dir', '--images', 2), ('--checkpoint', '--pictures', 1)])
def test_a_run_folder_is_enough(run, capsys, folder_flag, flag, count):
  for old in run.glob('images/*'):
    old.unlink()
  show_results.main([f'{folder_flag}={run}', f'{flag}={count}'])
  truth = GroundTruth(f'{run_records(run)}', 'shapes_panoptic')
  sources = [truth.source_id(i) for i in truth.example_ids[:count]]
  assert sorted(path.stem for path in run.glob('images/*')) == sorted(sources)
  for source in sources:
    drawn = np.asarray(Image.open(run / f'images/{source}.png'))
    gap = 11
    width = (drawn.shape[1] - 2 * gap) // 3
    assert max(width, len(drawn) - 2 * gap) >= 384  # enlarged from 64, titles above
    starts = (0, width + gap, 2 * (width + gap))
    image, true, predicted = (drawn[2 * gap:, start:start + width] for start in starts)
    assert (image != true).mean() > 0.2 and (true != predicted).mean() > 0.2
  assert str(run / 'results.md') in capsys.readouterr().out


def run_records(run):
  values = yaml.safe_load((run / 'params.yaml').read_text())
  return values['task']['validation_data']['input_path']


def test_the_table(run):
  show_results.write_table(run)
  assert (run / 'results.md').read_text().splitlines() == [
      '| step | PQ | mIoU | images |', '|---|---|---|---|',
      '| 5 | 1.2 | nan | 3 |', '| 10 | 20.0 | 30.0 | 3 |']


def test_a_named_experiment_and_its_environment(run, monkeypatch):
  monkeypatch.setenv('TFRECORDS_DIR', '/nowhere')
  show_results.main([f'--model_dir={run}', '--images=1'])  # the run's own settings
  with pytest.raises(UserError, match='TFRECORDS_DIR=/nowhere is not a folder'):
    show_results.main([f'--model_dir={run}', f'--experiment={NAME}', f'--params_override={SMALL}'])
  monkeypatch.setenv('TFRECORDS_DIR', run_records(run).removesuffix('/val*'))
  show_results.main([f'--model_dir={run}', f'--experiment={NAME}', f'--params_override={SMALL}',
                     '--images=1'])


def test_mistakes(tmp_path):
  with pytest.raises(UserError, match='evaluations is empty; evaluate first'):
    show_results.main([f'--model_dir={tmp_path}'])
