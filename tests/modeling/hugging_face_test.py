"""The full-size models against Hugging Face's with random weights, through the file that it saves.

Needs torch and transformers, which are no requirements of the project: `pip install torch
transformers`, then `bash scripts/test.sh -m slow tests/modeling/hugging_face_test.py`.
"""

import numpy as np
import pytest
import tensorflow as tf

from tests.losses import recorded
from tf_maskformer.configs.experiments import published
from tf_maskformer.losses.set_loss import SetLoss
from tf_maskformer.modeling.conversion import restore
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.modeling.postprocessing.panoptic import panoptic
from tf_maskformer.modeling.postprocessing.semantic import semantic
from tf_maskformer.modeling.postprocessing.sizes import Sizes

pytestmark = pytest.mark.slow
HEIGHT, WIDTH = 224, 288


def make(experiment):
  """Returns Hugging Face's model of an experiment with random weights, none of them trivial."""
  pytest.importorskip('torch')
  transformers = pytest.importorskip('transformers')
  c = published.build(experiment).task.model
  if c.backbone.type == 'swin':
    s = c.backbone.swin
    backbone = transformers.SwinConfig(
        image_size=384, embed_dim=s.embed_dim, depths=s.depths, num_heads=s.heads,
        window_size=s.window,
        out_features=['stage1', 'stage2', 'stage3', 'stage4'])
  else:
    backbone = transformers.ResNetConfig(
        depths=[3, 4, 6, 3], out_features=['stage1', 'stage2', 'stage3', 'stage4'])
  model = transformers.MaskFormerForInstanceSegmentation(transformers.MaskFormerConfig(
      backbone_config=backbone, num_labels=c.num_classes)).eval()
  return randomize(model)


def randomize(model):
  """Gives every weight a value that is not its default."""
  import torch
  torch.manual_seed(0)
  with torch.no_grad():
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
      if not value.dtype.is_floating_point or name.startswith('criterion.'):
        continue
      if name.endswith('running_var'):
        value.uniform_(0.7, 1.5)
      elif value.ndim == 1 and name.endswith('weight'):
        value.uniform_(0.6, 1.2)
      elif value.ndim == 1:
        value.uniform_(-0.2, 0.2)
      elif 'queries_embedder' in name:
        value.normal_()
      elif 'relative_position_bias_table' in name:
        value.normal_(0, 0.5)
      else:
        value.normal_(0, (1.5 / (value[0].numel())) ** 0.5)
  return model


def targets():
  rng = np.random.default_rng(1)
  corners = [rng.integers(0, n, 12) for n in (HEIGHT, WIDTH)]
  y, x = np.mgrid[:HEIGHT, :WIDTH]
  nearest = np.argmin((y[..., None] - corners[0]) ** 2 + (x[..., None] - corners[1]) ** 2, axis=-1)
  masks = [np.stack([(nearest == k) for k in range(a, b)]).astype(np.float32)
           for a, b in ((0, 5), (4, 12))]
  return masks, [rng.integers(0, 100, len(m)) for m in masks]


@pytest.mark.parametrize('experiment', [
    'maskformer_ade20k_semantic_swin_tiny', 'maskformer_ade20k_semantic',
    'maskformer_ade20k_semantic_swin_base'])
def test_logits_and_losses(experiment, tmp_path):
  theirs = make(experiment)
  torch = pytest.importorskip('torch')
  theirs.save_pretrained(tmp_path)
  task = published.build(experiment).task
  task.model.deep_supervision = False
  task.resolve()
  ours = build_model(task.model)
  report = restore.restore(ours, str(tmp_path / 'model.safetensors'))
  assert not report.missing and report.kind == 'Hugging Face MaskFormer'

  images = np.random.default_rng(0).normal(size=[2, HEIGHT, WIDTH, 3]).astype(np.float32)
  masks, labels = targets()
  with torch.no_grad():
    wanted = theirs(
        torch.tensor(images.transpose(0, 3, 1, 2)), mask_labels=[torch.tensor(m) for m in masks],
        class_labels=[torch.tensor(n) for n in labels])
  found = ours(images)
  logits = {'class_logits': wanted.class_queries_logits, 'mask_logits': wanted.masks_queries_logits}
  for name, value in logits.items():
    value = value.numpy()
    bound = 1e-4 * np.abs(value).max()
    np.testing.assert_allclose(found[name][-1], value, rtol=0, atol=bound, err_msg=name)

  criterion = SetLoss(task.losses, task.model.num_classes, in_graph=False)
  batch = recorded.from_masks(masks, labels)
  given = {'class_logits': tf.constant(wanted.class_queries_logits.numpy())[None],
           'mask_logits': tf.constant(wanted.masks_queries_logits.numpy())[None]}
  for outputs in (given, found):
    terms = criterion.terms(outputs, batch, criterion.match(outputs, batch))
    np.testing.assert_allclose(criterion.weigh(terms), wanted.loss.item(), rtol=1e-5)


def confident_logits(queries=20, classes=12, height=40, width=56):
  """Logits where the ports' orders of steps agree: sharp masks, sure classes, no size to change."""
  rng = np.random.default_rng(2)
  corners = [rng.integers(0, n, queries) for n in (height, width)]
  y, x = np.mgrid[:height, :width]
  nearest = np.argmin((y[..., None] - corners[0]) ** 2 + (x[..., None] - corners[1]) ** 2, axis=-1)
  masks = np.where(nearest[None] == np.arange(queries)[:, None, None], 12.0, -12.0)
  masks += rng.normal(size=masks.shape)
  class_logits = rng.normal(size=[queries, classes + 1])
  class_logits[np.arange(queries), rng.integers(0, classes + 1, queries)] += 30
  return class_logits.astype(np.float32), masks.astype(np.float32)


def test_postprocessing():
  torch, transformers = pytest.importorskip('torch'), pytest.importorskip('transformers')
  class_logits, mask_logits = confident_logits()
  things = set(range(12))
  size = mask_logits.shape[1:]
  sizes = Sizes(size, size, size)
  module = transformers.models.maskformer.modeling_maskformer
  outputs = module.MaskFormerForInstanceSegmentationOutput(
      class_queries_logits=torch.tensor(class_logits)[None],
      masks_queries_logits=torch.tensor(mask_logits)[None])
  processor = transformers.MaskFormerImageProcessor()
  wanted = processor.post_process_semantic_segmentation(outputs, target_sizes=[size])[0].numpy()
  for first in (True, False):
    found = semantic(class_logits, mask_logits, sizes, resize_first=first).argmax(axis=0)
    np.testing.assert_array_equal(found, wanted)
  answer = processor.post_process_panoptic_segmentation(
      outputs, threshold=0.8, mask_threshold=0.5, overlap_mask_area_threshold=0.8,
      label_ids_to_fuse=set(), target_sizes=[size])[0]  # where stuff is merged, their ids collide
  wanted = answer['segmentation'].numpy()
  id_map, segments = panoptic(class_logits, mask_logits, sizes, things, 0.8, 0.8)
  assert len(segments) > 5
  np.testing.assert_array_equal(id_map, np.maximum(wanted, 0))
  ids = [(s['id'], s['category_id']) for s in segments]
  assert ids == [(s['id'], s['label_id']) for s in answer['segments_info']]


@pytest.mark.parametrize('backbone', ['r50', 'swin_tiny'])
def test_mask2former(backbone, tmp_path):
  torch, transformers = pytest.importorskip('torch'), pytest.importorskip('transformers')
  stages = ['stage1', 'stage2', 'stage3', 'stage4']
  config = (transformers.ResNetConfig(out_features=stages) if backbone == 'r50' else
            transformers.SwinConfig(image_size=384, out_features=stages))
  config = transformers.Mask2FormerConfig(backbone_config=config, num_labels=133, num_queries=100)
  theirs = randomize(transformers.Mask2FormerForUniversalSegmentation(config).eval())
  theirs.save_pretrained(tmp_path)
  suffix = '' if backbone == 'r50' else f'_{backbone}'
  task = published.build(f'mask2former_coco_panoptic{suffix}').task
  task.resolve()
  ours = build_model(task.model)
  report = restore.restore(ours, str(tmp_path / 'model.safetensors'))
  assert not report.missing and report.kind == 'Hugging Face Mask2Former'
  images = np.random.default_rng(0).normal(size=[2, HEIGHT, WIDTH, 3]).astype(np.float32)
  with torch.no_grad():
    wanted = theirs(torch.tensor(images.transpose(0, 3, 1, 2)), output_auxiliary_logits=True)
  found = ours(images)
  layers = [*wanted.auxiliary_logits, {'class_queries_logits': wanted.class_queries_logits,
                                       'masks_queries_logits': wanted.masks_queries_logits}]
  assert len(layers) == found['class_logits'].shape[0] == 10
  names_of_logits = {
      'class_logits': 'class_queries_logits', 'mask_logits': 'masks_queries_logits'}
  for i, layer in enumerate(layers):
    for ours_name, theirs_name in names_of_logits.items():
      value = layer[theirs_name].numpy()
      difference = np.abs(found[ours_name][i].numpy() - value)
      assert difference.max() < 1e-4 * np.abs(value).max(), (i, ours_name)
