"""Shapes of a published file name the experiments that it may be of."""

import numpy as np
import pytest
import safetensors.numpy

from tests.modeling.conversion import published_test
from tf_maskformer.errors import UserError
from tf_maskformer.serving import candidates
from tf_maskformer.serving import loading


def write(folder, listed):
  """Writes the names of a published file with arrays of one number a row."""
  arrays = published_test.thin(published_test.read(listed))
  path = str(folder / 'model_final.safetensors')
  safetensors.numpy.save_file(arrays, path)
  return path


@pytest.mark.parametrize('listed, wanted', [
    ('maskformer_coco_panoptic_swin_tiny', ['maskformer_coco_panoptic_swin_tiny']),
    ('maskformer_ade20k150_semantic_swin_tiny', ['maskformer_ade20k_semantic_swin_tiny']),
    ('maskformer_cityscapes19_semantic_r101c', ['maskformer_cityscapes_semantic_r101c']),
    ('per_pixel_baseline_ade20k150_r50', ['per_pixel_ade20k_semantic']),
    ('per_pixel_baseline_plus_ade20k150_r50', ['per_pixel_plus_ade20k_semantic']),
    ('mask2former_ade20k_semantic_r101', ['mask2former_ade20k_semantic_r101']),
    ('mask2former_coco_panoptic_r50', ['mask2former_coco_panoptic'])])
def test_published_files(tmp_path, listed, wanted):
  assert candidates.candidates(write(tmp_path, listed)) == wanted


def test_the_error_names_them(tmp_path):
  path = write(tmp_path, 'mask2former_coco_panoptic_r50')
  words = 'its shapes are those of mask2former_coco_panoptic; name the experiment'
  with pytest.raises(UserError, match=words):
    loading.configure(path)


def test_a_backbone_alone_is_of_no_experiment(tmp_path):
  path = str(tmp_path / 'backbone.safetensors')
  safetensors.numpy.save_file({'backbone.stem.conv1.weight': np.zeros([2, 3], np.float32)}, path)
  assert candidates.candidates(path) == []


@pytest.mark.parametrize('names', [
    ('class_embed.bias',), ('query_feat.weight',), ('query_embed.weight',), ('weight',)])
def test_incomplete_and_odd_models_are_of_no_experiment(tmp_path, names):
  path = str(tmp_path / 'x.safetensors')
  for shape in ((), (0,), (3, 2)):
    arrays = {f'sem_seg_head.predictor.{name}': np.zeros(shape, np.float32) for name in names}
    arrays['backbone.patch_embed.norm.weight'] = np.zeros(shape, np.float32)
    table = 'backbone.layers.0.blocks.0.attn.relative_position_bias_table'
    arrays[table] = np.zeros(shape, np.float32)
    safetensors.numpy.save_file(arrays, path)
    assert candidates.candidates(path) == []
