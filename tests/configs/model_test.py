"""Families of models: what their configurations say, and files of earlier versions."""

import pytest
import yaml

from tf_maskformer.configs import overrides
from tf_maskformer.configs import rules
from tf_maskformer.configs.experiments import registry
from tf_maskformer.configs.experiments import settings
from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.errors import UserError

# What an earlier version wrote to params.yaml in addition to today's fields, by family.
EARLIER = {
    'maskformer_coco_panoptic': {'which_predictor': 'maskformer', 'num_classes': 133},
    'mask2former_coco_panoptic': {'which_predictor': 'mask2former', 'num_classes': 133},
    'per_pixel_ade20k_semantic': {
        'which_predictor': 'per_pixel', 'num_classes': 150, 'num_queries': 100,
        'deep_supervision': False, 'transformer_decoder': {
            'layers': 6, 'hidden': 256, 'heads': 8, 'feedforward': 2048, 'dropout': 0.1,
            'pre_norm': False, 'input_projection': False}},
    'per_pixel_plus_ade20k_semantic': {
        'which_predictor': 'per_pixel_plus', 'num_classes': 150, 'num_queries': 150}}


@pytest.mark.parametrize('name', EARLIER)
def test_params_of_an_earlier_version(name, tmp_path):
  earlier = {'experiment': name, 'task': {'model': EARLIER[name]}}
  (tmp_path / 'params.yaml').write_text(yaml.safe_dump(earlier))
  _, found = settings.of_run(str(tmp_path))
  settings.settle(found)
  wanted = registry.get(name)
  settings.settle(wanted)
  assert found.as_dict() == wanted.as_dict()


@pytest.mark.parametrize('name', EARLIER)
def test_params_of_another_model(name, tmp_path):
  other = 'mask2former' if name.startswith('maskformer') else 'maskformer'
  earlier = {'experiment': name, 'task': {'model': {'which_predictor': other}}}
  (tmp_path / 'params.yaml').write_text(yaml.safe_dump(earlier))
  with pytest.raises(UserError, match='which_predictor is .* and cannot be changed'):
    settings.of_run(str(tmp_path))


@pytest.mark.parametrize('text', [
    'task.model.which_pixel_decoder=transformer_fpn', 'task.model.num_queries=50',
    'task.model.transformer_decoder.layers=2', 'task.model.pixel_decoder.mask_width=128',
    'task.model.backbone.resnet.norm=group', 'task.model.backbone.type=swin',
    'task.model.deep_supervision=False', 'task.model.size_divisibility=64',
    'task.model.num_classes=133'])
def test_documented_overrides(text):
  experiment = registry.get('maskformer_coco_panoptic')
  settings.settle(experiment, changes=[text])
  keys, _, value = text.partition('=')
  found = experiment
  for key in keys.split('.'):
    found = getattr(found, key)
  assert str(found) == value


def test_classes_are_those_of_the_data_set():
  experiment = registry.get('per_pixel_plus_ade20k_semantic')
  settings.settle(experiment, changes=['task.data_set=cityscapes'])
  assert experiment.task.model.num_classes == experiment.task.model.num_queries == 19


def test_classes_that_are_not_those_of_the_data_set():
  experiment = registry.get('maskformer_coco_panoptic')
  with pytest.raises(UserError, match='num_classes is 150, but data set cityscapes has 19'):
    settings.settle(
        experiment, changes=['task.data_set=cityscapes,task.model.num_classes=150'])


def test_queries_of_the_baseline_are_its_classes():
  experiment = registry.get('per_pixel_plus_ade20k_semantic')
  overrides.apply(experiment, 'task.model.num_queries=100')
  with pytest.raises(UserError, match='has a query for each class: set it to 150'):
    rules.validate(experiment)


def test_a_model_of_another_task():
  experiment = registry.get('per_pixel_ade20k_semantic')
  experiment.task.model = MaskFormer()
  with pytest.raises(UserError, match='MaskFormer, which is not a model of this experiment'):
    rules.validate(experiment)
