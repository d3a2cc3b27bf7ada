"""Names and shapes of the published models: every tensor has its place, every place its tensor."""

import functools
import gc
import json
import lzma
import math
import re

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests import support
from tests.configs.experiments import recipes
from tf_maskformer.configs.experiments import published
from tf_maskformer.configs.experiments import table
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.conversion import sources
from tf_maskformer.modeling.factory import build_model

DATA = {'coco_panoptic': 'coco', 'ade20k': 'ade20k150', 'ade20k_full': 'ade20kfull847',
        'cityscapes': 'cityscapes19', 'coco_stuff10k': 'cocostuff10k171',
        'mapillary': 'mapillary65'}
BACKBONES = {'swin_base': 'swin_base_in21k_384', 'swin_large': 'swin_large_in21k_384'}


def list_of(name):
  """The file of an experiment's names; None where there is none."""
  row = table.PUBLISHED[name]
  if row.model != 'maskformer':
    model = row.model.replace('per_pixel', 'per_pixel_baseline')
    return f'{model}_{DATA[row.data_set]}_{row.backbone}'
  backbone = BACKBONES.get(row.backbone, row.backbone)
  return f'maskformer_{DATA[row.data_set]}_{row.task}_{backbone}'


@functools.cache
def checkpoint_names():
  """Returns the lists of published files: file -> tensor's name -> [shape, dtype]."""
  with lzma.open(support.data('checkpoint_names.json.xz')) as file:
    return json.load(file)


def read(file):
  """Returns a list: name -> (shape, dtype)."""
  return {n: (tuple(shape), dtype) for n, (shape, dtype) in checkpoint_names()[file].items()}


def filled(entries):
  """Arrays of random numbers for a list."""
  rng = np.random.default_rng(0)
  return {n: rng.normal(size=shape).astype(dtype) if dtype == 'float32' else np.zeros(shape, dtype)
          for n, (shape, dtype) in entries.items()}


# One of each kind; the others take minutes and are run with `-m slow`.
QUICK = (
    'maskformer_coco_panoptic', 'maskformer_cityscapes_semantic_r101c',
    'maskformer_ade20k_semantic_swin_tiny', 'per_pixel_ade20k_semantic',
    'per_pixel_plus_ade20k_semantic', 'mask2former_coco_panoptic',
    'mask2former_coco_panoptic_swin_tiny', 'mask2former_ade20k_semantic_r101')


def slow(*values):
  return pytest.param(*values, marks=pytest.mark.slow)


def some_slow(experiments):
  return [name if name in QUICK else slow(name) for name in experiments]


def variables_of(name):
  """Official name -> (shape, whether trained), of a model built without its memory."""
  task = published.build(name).task
  task.resolve()
  with tf.Graph().as_default():
    model = build_model(task.model)
    trained = {v.ref() for v in model.trainable_variables}
    found = {n: (e.official_shape, e.variable.ref() in trained)
             for n, e in names.entries(model).items()}
  del model, trained
  tf_keras.backend.clear_session()
  gc.collect()
  return found


MASK2FORMER = {
    'mask2former_coco_panoptic': 'mask2former_coco_panoptic_r50',
    'mask2former_coco_panoptic_r101': 'mask2former_coco_panoptic_r101',
    'mask2former_coco_panoptic_swin_tiny': 'mask2former_coco_panoptic_swin_tiny',
    'mask2former_coco_panoptic_swin_base': 'mask2former_coco_panoptic_swin_base_in21k_384',
    'mask2former_coco_panoptic_swin_large': 'mask2former_coco_panoptic_swin_large_in21k_384_q200',
    'mask2former_coco_instance': 'mask2former_coco_instance_r50',
    'mask2former_ade20k_semantic_r101': 'mask2former_ade20k_semantic_r101',
    'mask2former_ade20k_semantic_swin_small': 'mask2former_ade20k_semantic_swin_small',
    'mask2former_cityscapes_semantic_swin_tiny': 'mask2former_cityscapes_semantic_swin_tiny',
    'mask2former_mapillary_semantic': 'mask2former_mapillary_semantic_r50'}


def has_list(row):
  of_per_pixel = row.model.startswith('per_pixel') and row.data_set == 'ade20k'
  return row.model == 'maskformer' or of_per_pixel


WITH_LIST = [name for name, row in table.PUBLISHED.items() if has_list(row)]


@pytest.mark.parametrize('name', some_slow([*WITH_LIST, *MASK2FORMER]))
def test_every_name_and_shape(name):
  listed = read(MASK2FORMER.get(name) or list_of(name))
  found = variables_of(name)
  constants = {n for n in listed if n == 'criterion.empty_weight' or n.endswith(
      ('.relative_position_index', '.num_batches_tracked'))}
  assert {n: shape for n, (shape, _) in found.items()} == {
      n: shape for n, (shape, _) in listed.items() if n not in constants}


@pytest.mark.parametrize('name', some_slow(table.PUBLISHED))
def test_number_of_trained_parameters(name):
  wanted = recipes.published()[name]['trainable_parameters']
  shapes = [shape for shape, trained in variables_of(name).values() if trained]
  assert sum(map(math.prod, shapes)) == wanted


def thin(listed):
  """The names of a list with one number per row: files of full-size models stay small."""
  arrays = {}
  for i, (name, (shape, dtype)) in enumerate(listed.items()):
    if dtype == 'float32':
      arrays[name] = np.full(shape[:1] + (1,) * (len(shape) - 1), i, np.float32)
    else:
      arrays[name] = np.zeros(shape[:1] and (1,), dtype)
  return arrays


@pytest.mark.parametrize('older', [
    'maskformer_coco_panoptic_r50', 'maskformer_ade20k150_semantic_swin_tiny',
    'per_pixel_baseline_ade20k150_r50',
    'per_pixel_baseline_plus_ade20k150_r50', 'maskformer_cityscapes19_semantic_r101c',
    'maskformer_coco_panoptic_swin_tiny', 'mask2former_coco_panoptic_r50',
    'mask2former_ade20k_semantic_r101',
    'mask2former_coco_panoptic_swin_large_in21k_384_q200'])
def test_both_spellings_and_the_doubled_one_are_the_same(older):
  current = thin(read(older))
  wanted = sources.renamed('file', current)
  released = 'released_spelling' if older.startswith('mask2former') else 'older_spelling'
  by_older = dict(zip(read(f'{older}.{released}'), current.values()))
  head = 'sem_seg_head.pixel_decoder'
  doubled = {re.sub(f'^{re.escape(head)}', f'{head}.pixel_decoder', n): a
             for n, a in current.items()}
  wrapped = {f'module.{n}': a for n, a in current.items()}
  for other in (by_older, doubled, wrapped):
    found = sources.renamed('file', other)
    assert set(found.arrays) == set(wanted.arrays)
    for name, array in wanted.arrays.items():
      np.testing.assert_array_equal(found.arrays[name], array)
    assert len(found.arrays) + len(found.ignored) == len(current)


SWIN_FILE = 'backbone_swin_official_swin_'


@pytest.mark.parametrize('file, name, missing', [
    ('backbone_torchvision_resnet50', 'maskformer_coco_panoptic', 0),
    slow('backbone_torchvision_resnet101', 'maskformer_coco_panoptic_r101', 0),
    ('backbone_detectron2_torchvision_R-50_pkl', 'maskformer_coco_panoptic', 0),
    slow('backbone_detectron2_torchvision_R-101_pkl', 'maskformer_coco_panoptic_r101', 0),
    ('backbone_detectron_msra_R-50_pkl', 'maskformer_coco_panoptic', 0),
    slow('backbone_detectron_msra_R-101_pkl', 'maskformer_coco_panoptic_r101', 0),
    ('backbone_detectron2_deeplab_R-103_pkl', 'maskformer_cityscapes_semantic_r101c', 0),
    (SWIN_FILE + 'tiny_patch4_window7_224', 'maskformer_coco_panoptic_swin_tiny', 8),
    slow(SWIN_FILE + 'small_patch4_window7_224', 'maskformer_coco_panoptic_swin_small', 8),
    slow(SWIN_FILE + 'base_patch4_window12_384_22k', 'maskformer_coco_panoptic_swin_base', 8),
    slow(SWIN_FILE + 'large_patch4_window12_384_22k', 'maskformer_coco_panoptic_swin_large', 8)])
def test_backbone_files(file, name, missing):
  listed = read(file)
  source = sources.renamed('file', filled(listed))
  wanted = {n: shape for n, (shape, _) in variables_of(name).items() if n.startswith('backbone.')}
  found = {n: a.shape for n, a in source.arrays.items()}
  assert found.items() <= wanted.items()
  absent = set(wanted) - set(found)
  assert len(absent) == missing
  assert all(any(re.fullmatch(p, n) for p in source.absent) for n in absent)


@pytest.mark.parametrize('file, name', [
    ('hf_maskformer_swin_tiny_ade', 'maskformer_ade20k_semantic_swin_tiny'),
    slow('hf_maskformer_swin_base_coco', 'maskformer_coco_panoptic_swin_base'),
    ('hf_maskformer_resnet50_ade', 'maskformer_ade20k_semantic'),
    slow('hf_maskformer_resnet101_cityscapes', 'maskformer_cityscapes_semantic_r101'),
    ('hf_mask2former_resnet50_133', 'mask2former_coco_panoptic'),
    ('hf_mask2former_swin_tiny_coco_panoptic', 'mask2former_coco_panoptic_swin_tiny'),
    slow('hf_mask2former_swin_large_coco_panoptic_q200', 'mask2former_coco_panoptic_swin_large')])
def test_hugging_face_files(file, name):
  listed = read(file)
  source = sources.renamed('file', filled(listed))
  wanted = {n: shape for n, (shape, _) in variables_of(name).items()}
  assert {n: a.shape for n, a in source.arrays.items()} == wanted
  merged = 2 * len([n for n in listed if re.search(r'(\.key|k_proj)\.', n)])
  assert len(source.arrays) + merged + len(source.ignored) == len(listed)
