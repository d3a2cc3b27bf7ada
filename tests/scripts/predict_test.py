"""Images of any kind in; panoptic PNG, overlay and JSON out, which agree with each other."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from pycocotools import mask as mask_tools

from tf_maskformer.configs import overrides
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import registry
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.scripts import predict

NAME = 'maskformer_shapes_panoptic'
SMALL = ('task.model.pixel_decoder.width=32,task.model.pixel_decoder.mask_width=32,'
         'task.model.transformer_decoder.layers=1,task.evaluation.object_mask_threshold=0,'
         'task.evaluation.overlap_threshold=0')


def save_weights(folder, class_bias):
  experiment = registry.get(NAME)
  overrides.apply(experiment, SMALL)
  experiment.task.resolve()
  model = build_model(experiment.task.model, seed=1)
  model.predictor.class_embed.bias.assign(class_bias)
  tf.train.Checkpoint(model=model).save(str(folder / 'ckpt'))
  return folder


@pytest.fixture(scope='module', name='checkpoint')
def save_checkpoint(tmp_path_factory):
  # Nothing is no-object, so that there is something to draw.
  return save_weights(tmp_path_factory.mktemp('weights'), [0.0] * 7 + [-20.0])


@pytest.fixture(name='folders')
def draw_folder(tmp_path):
  (tmp_path / 'in').mkdir()
  draw(tmp_path / 'in')
  return tmp_path / 'in', tmp_path / 'out'


def flags(checkpoint, images, output):
  return [f'--experiment={NAME}', f'--checkpoint={checkpoint}', f'--input={images}', f'--output={output}',
          f'--params_override={SMALL}']


def draw(folder):
  rng = np.random.default_rng(0)
  for name, shape in (('color.jpg', (50, 71, 3)), ('gray.png', (64, 40)), ('alpha.png', (33, 33, 4))):
    Image.fromarray(rng.integers(0, 255, shape, np.uint8)).save(folder / name)


def test_folder(checkpoint, tmp_path):
  images, output = tmp_path / 'in', tmp_path / 'out'
  images.mkdir()
  draw(images)
  predict.main(flags(checkpoint, images, output))
  rows = {r['image_id']: r for r in json.loads((output / 'predictions.json').read_text())['annotations']}
  assert sorted(rows) == ['alpha', 'color', 'gray']
  known = {c.id for c in catalog.get('shapes_panoptic').classes}
  for name, size in (('color', (71, 50)), ('gray', (40, 64)), ('alpha', (33, 33))):
    png = Image.open(output / rows[name]['file_name'])
    assert png.size == size
    rgb = np.asarray(png).astype(int)
    ids = rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]
    segments = rows[name]['segments_info']
    assert segments and {s['id'] for s in segments} == set(np.unique(ids)) - {0}
    for segment in segments:
      assert segment['area'] == (ids == segment['id']).sum()
      assert segment['category_id'] in known and 0 < segment['score'] <= 1
    assert (output / f'{name}_overlay.png').exists()
  assert not list(output.glob('.part*')) and not list(output.glob('*.part'))


def test_a_image_that_does_not_decode_spoils_no_other(checkpoint, tmp_path):
  images, output = tmp_path / 'in', tmp_path / 'out'
  images.mkdir()
  draw(images)
  (images / 'broken.jpg').write_bytes(b'no image')
  with pytest.raises(UserError, match='1 images could not be decoded, the others are done; .*broken.jpg'):
    predict.main(flags(checkpoint, images, output))
  assert len(json.loads((output / 'predictions.json').read_text())['annotations']) == 3


def test_mistakes(checkpoint, tmp_path):
  (tmp_path / 'empty').mkdir()
  with pytest.raises(UserError, match='is no image and no folder with images'):
    predict.main(flags(checkpoint, tmp_path / 'empty', tmp_path / 'out'))
  draw(tmp_path / 'empty')
  with pytest.raises(UserError, match='/nowhere'):
    predict.main(flags('/nowhere', tmp_path / 'empty', tmp_path / 'out'))
  other = [f.replace(NAME, 'maskformer_shapes_panoptc') for f in flags(checkpoint, tmp_path / 'empty', tmp_path / 'o')]
  with pytest.raises(UserError, match=f'did you mean {NAME}'):
    predict.main(other)
  with pytest.raises(UserError, match='is the folder of the images'):
    predict.main(flags(checkpoint, tmp_path / 'empty', tmp_path / 'empty'))
  (tmp_path / 'empty/gray.jpg').write_bytes((tmp_path / 'empty/color.jpg').read_bytes())
  with pytest.raises(UserError, match='1 names with several suffixes, gray for one'):
    predict.main(flags(checkpoint, tmp_path / 'empty', tmp_path / 'out'))
  assert not (tmp_path / 'out').exists()


def test_instances(tmp_path, folders):
  images, output = folders
  checkpoint = save_weights(tmp_path / 'weights', [20.0] + [0.0] * 7)  # every query is sure of the first class
  instance = 'task.evaluation.panoptic=False,task.evaluation.instance=True'
  predict.main([*flags(checkpoint, images, output), f'--params_override={instance}'])
  for row in json.loads((output / 'predictions.json').read_text())['annotations']:
    assert any(s['area'] for s in row['segments_info'])
    rgb = np.asarray(Image.open(output / row['file_name'])).astype(int)
    ids = rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]
    assert {s['id'] for s in row['segments_info']} >= set(np.unique(ids)) - {0}
    for segment in row['segments_info']:  # whole, of which others may hide a part
      mask = mask_tools.decode(segment['segmentation'])
      assert mask.shape == ids.shape and mask[ids == segment['id']].all() and mask.sum() == segment['area']
    top = max(row['segments_info'], key=lambda s: s['score'])
    assert (ids == top['id']).sum() == top['area']


def test_semantic_answer(checkpoint, folders):
  images, output = folders
  semantic = 'task.evaluation.panoptic=False,task.evaluation.semantic=True'
  predict.main([*flags(checkpoint, images, output), f'--params_override={semantic}'])
  rows = json.loads((output / 'predictions.json').read_text())['annotations']
  classes = catalog.get('shapes_panoptic').classes
  assert len(rows) == 3
  for row in rows:
    labels = np.asarray(Image.open(output / row['file_name']))
    assert labels.ndim == 2 and labels.max() < len(classes)
    assert [(s['id'], s['category_id'], s['area']) for s in row['segments_info']] == [
        (c, classes[c].id, int((labels == c).sum())) for c in np.unique(labels)]
    assert (output / f'{row["image_id"]}_overlay.png').exists()
