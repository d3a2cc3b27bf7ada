"""Folders that transformers saves load by their path alone and give the segments that it gives.

Needs torch and transformers, which are not requirements of the project: `pip install torch
transformers`, then `bash scripts/test.sh -m slow tests/serving/hugging_face_folder_test.py`.
"""

import numpy as np
import pytest
import tensorflow as tf

import tf_maskformer
from tests.modeling.hugging_face_test import randomize
from tf_maskformer.modeling.postprocessing.panoptic import panoptic
from tf_maskformer.modeling.postprocessing.sizes import Sizes
from tf_maskformer.ops import image as image_ops
from tf_maskformer.serving import loading

pytestmark = pytest.mark.slow
SIZE = (384, 384)  # the size to which Mask2Former's masks are resized there before anything else
SHORT_AND_LONG = {'shortest_edge': 384, 'longest_edge': 640}
LABELS = {i: f'kind {i}' for i in range(12)}
STAGES = ['stage1', 'stage2', 'stage3', 'stage4']


def make(family, backbone):
  """Returns a model of transformers and its image processor; random weights, sure predictions."""
  torch = pytest.importorskip('torch')
  transformers = pytest.importorskip('transformers')
  backbones = {
      'swin_tiny': transformers.SwinConfig(image_size=384, out_features=STAGES),
      'r50': transformers.ResNetConfig(out_features=STAGES)}
  options = {'backbone_config': backbones[backbone], 'id2label': LABELS,
             'label2id': {name: i for i, name in LABELS.items()}}
  if family == 'maskformer':
    config = transformers.MaskFormerConfig(**options)
    model = transformers.MaskFormerForInstanceSegmentation(config)
    last = model.mask_embedder
    processor = transformers.MaskFormerImageProcessor(size=SHORT_AND_LONG)
  else:
    config = transformers.Mask2FormerConfig(**options)
    model = transformers.Mask2FormerForUniversalSegmentation(config)
    last = model.model.transformer_module.decoder.mask_predictor.mask_embedder
    processor = transformers.Mask2FormerImageProcessor(size=SHORT_AND_LONG)
  randomize(model.eval())
  make_sure(model, last, torch.tensor(processor(draw(), return_tensors='np')['pixel_values']))
  return model, processor


def make_sure(model, mask_embedder, pixels):
  """Changes a model's last layers so that its queries differ and are sure of class and mask.

  With random weights all queries give nearly the same: what they have in common is taken away by
  the biases, and what remains is scaled up.
  """
  torch = pytest.importorskip('torch')
  weight, bias = list(mask_embedder.parameters())[-2:]
  embeddings = []
  hook = mask_embedder.register_forward_hook(lambda module, x, output: embeddings.append(output))
  with torch.no_grad():
    model(pixels)
    bias.sub_(embeddings[-1].mean(dim=(0, 1)))
    masks = model(pixels).masks_queries_logits
    for value in (weight, bias):
      value.mul_(6 / masks.std())
    head = model.class_predictor
    classes = model(pixels).class_queries_logits
    head.bias.sub_(classes.mean(dim=(0, 1)))
    for value in (head.weight, head.bias):
      value.mul_(8 / (classes - classes.mean(dim=1, keepdim=True)).std())
  hook.remove()


def draw():
  y, x = np.mgrid[:SIZE[0], :SIZE[1]]
  waves = [np.sin(x / 19), np.cos(y / 31), np.sin((x + y) / 47)]
  return np.stack([127.5 + 120 * wave for wave in waves], axis=-1).astype(np.uint8)


def segments_of(answer):
  """Returns transformers' id map with 0 for no segment, and the (id, class) of its segments."""
  id_map = np.maximum(answer['segmentation'].numpy(), 0)
  return id_map, [(s['id'], s['label_id']) for s in answer['segments_info']]


@pytest.mark.parametrize('family, backbone, shard', [
    ('maskformer', 'swin_tiny', '5GB'), ('mask2former', 'r50', '5GB'),
    ('mask2former', 'swin_tiny', '20MB')])
def test_a_folder_loads_alone_and_gives_the_same_segments(tmp_path, family, backbone, shard):
  torch = pytest.importorskip('torch')
  theirs, processor = make(family, backbone)
  theirs.save_pretrained(tmp_path, max_shard_size=shard)
  processor.save_pretrained(tmp_path)
  assert (tmp_path / 'model.safetensors.index.json').exists() == (shard == '20MB')

  loaded = loading.open_checkpoint(tmp_path)
  assert [c.name for c in loaded.data_set.classes] == list(LABELS.values())
  assert not loaded.report.missing
  resizing = loaded.experiment.task.validation_data.parser.augmentation
  assert (resizing.short_edges, resizing.long_edge_limit) == ([384], 640)

  image = draw()
  ours = loaded.model(image_ops.normalize(tf.constant(image[None]), tf.constant([SIZE])))
  class_logits = ours['class_logits'][-1].numpy()
  mask_logits = ours['mask_logits'][-1].numpy()
  pixels = torch.tensor(processor(image, return_tensors='np')['pixel_values'])
  with torch.no_grad():
    wanted = theirs(pixels)
  pairs = ((class_logits, wanted.class_queries_logits), (mask_logits, wanted.masks_queries_logits))
  for found, value in pairs:
    np.testing.assert_allclose(found, value.numpy(), rtol=0, atol=1e-4 * value.abs().max().item())

  # Their rules on our logits, at the size of the image so that nothing is resized on either side;
  # all classes are things, since they let merged segments share an id with others.
  large = torch.nn.functional.interpolate(
      torch.tensor(mask_logits), size=SIZE, mode='bilinear', align_corners=False)
  outputs = type(wanted)(
      class_queries_logits=torch.tensor(class_logits), masks_queries_logits=large)
  options = {'threshold': 0.5, 'mask_threshold': 0.5, 'overlap_mask_area_threshold': 0.01,
             'label_ids_to_fuse': set(), 'target_sizes': [SIZE]}
  same_map, same_segments = segments_of(
      processor.post_process_panoptic_segmentation(outputs, **options)[0])
  things = loaded.data_set.thing_classes
  id_map, segments = panoptic(
      class_logits[0], mask_logits[0], Sizes.of(SIZE, SIZE, SIZE), things, 0.5, 0.01)
  assert len(segments) > 3
  assert [(s['id'], s['category_id']) for s in segments] == same_segments
  assert np.mean(id_map != same_map) < 1e-4  # pixels where rounding decides

  # From the path to the segments, on both sides.
  predictor = tf_maskformer.load(tmp_path, overrides=[
      'task.evaluation.object_mask_threshold=0.5', 'task.evaluation.overlap_threshold=0.01',
      'task.evaluation.confident_pixels_only=False'])
  assert [c.name for c in predictor.classes] == list(LABELS.values())
  result = predictor.predict(image)
  assert {s.label for s in result.segments} <= set(LABELS.values())
  # MaskFormer's masks are resized as probabilities there and as logits here, as officially; which
  # of a random model's many near ties survive the thresholds then differs.
  if family == 'mask2former':
    their_map, their_segments = segments_of(
        processor.post_process_panoptic_segmentation(wanted, **options)[0])
    assert [(s.id, s.class_id) for s in result.segments] == their_segments
    class_of_id = {0: -1, **dict(their_segments)}
    their_labels = np.vectorize(class_of_id.get)(their_map)
    assert np.mean(result.labels != their_labels) < 0.01
