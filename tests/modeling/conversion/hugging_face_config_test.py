"""What a config.json says becomes settings; what cannot be computed is refused with its key."""

import json

import pytest

from tf_maskformer.configs import overrides
from tf_maskformer.configs.experiments import registry
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import hugging_face_config

STAGES = ['stage1', 'stage2', 'stage3', 'stage4']
SWIN = {'model_type': 'swin', 'out_features': STAGES}
RESNET = {'model_type': 'resnet', 'out_features': STAGES}


def read(folder, config, preprocessor=None):
  (folder / 'config.json').write_text(json.dumps(config))
  if preprocessor is not None:
    (folder / 'preprocessor_config.json').write_text(json.dumps(preprocessor))
  return hugging_face_config.read(hugging_face_config.find(str(folder)))


def model_of(found, base):
  """Returns the model's configuration of a registered experiment with the settings found."""
  experiment = registry.get(base)
  overrides.apply_values(experiment, found.settings, found.path)
  return experiment.task.model


@pytest.mark.parametrize('family, embed_dim, window, depths', [
    ('maskformer', 128, 12, [2, 2, 18, 2]), ('mask2former', 96, 7, [2, 2, 18, 2])])
def test_defaults_are_those_of_transformers(tmp_path, family, embed_dim, window, depths):
  found = read(tmp_path, {'model_type': family})
  model = model_of(found, f'{family}_coco_panoptic')
  swin = model.backbone.swin
  assert model.backbone.type == 'swin'
  assert (swin.embed_dim, swin.window, swin.depths) == (embed_dim, window, depths)
  assert swin.drop_path == 0.3 and found.labels == ('LABEL_0', 'LABEL_1')
  decoder = model.transformer_decoder
  wanted = (6, 256, 8, 2048) if family == 'maskformer' else (9, 256, 8, 2048)
  assert (decoder.layers, decoder.hidden, decoder.heads, decoder.feedforward) == wanted
  assert model.num_queries == 100 and model.num_classes == 2


def test_maskformer(tmp_path):
  found = read(tmp_path, {
      'model_type': 'maskformer', 'backbone_config': {**SWIN, 'embed_dim': 48, 'mlp_ratio': 2.0},
      'fpn_feature_size': 64, 'mask_feature_size': 32, 'no_object_weight': 0.2,
      'decoder_config': {
          'num_queries': 7, 'd_model': 128, 'decoder_layers': 2, 'decoder_attention_heads': 4,
          'decoder_ffn_dim': 96},
      'id2label': {'1': 'b', '0': 'a', '2': 'c'}, '_name_or_path': 'x/maskformer-ade-semantic'})
  model = model_of(found, 'maskformer_coco_panoptic')
  decoder = model.transformer_decoder
  assert (decoder.layers, decoder.hidden, decoder.heads, decoder.feedforward) == (2, 128, 4, 96)
  assert (model.num_queries, model.num_classes) == (7, 3)
  assert (model.pixel_decoder.width, model.pixel_decoder.mask_width) == (64, 32)
  assert model.which_pixel_decoder == 'fpn' and not decoder.input_projection
  assert (model.backbone.swin.embed_dim, model.backbone.swin.mlp_ratio) == (48, 2.0)
  assert found.labels == ('a', 'b', 'c') and 'semantic' in found.name
  assert found.settings['task.losses.no_object_weight'] == 0.2


def test_mask2former(tmp_path):
  found = read(tmp_path, {
      'model_type': 'mask2former', 'num_queries': 9, 'feature_size': 64, 'hidden_dim': 64,
      'mask_feature_size': 32, 'encoder_feedforward_dim': 80, 'encoder_layers': 2,
      'decoder_layers': 4, 'num_attention_heads': 2, 'dim_feedforward': 96,
      'backbone_config': {
          **RESNET, 'depths': [3, 4, 23, 3], 'hidden_sizes': [64, 128, 256, 512],
          'embedding_size': 16, 'downsample_in_bottleneck': True}})
  model = model_of(found, 'mask2former_coco_panoptic_swin_tiny')
  decoder = model.transformer_decoder
  assert (decoder.layers, decoder.hidden, decoder.heads, decoder.feedforward) == (3, 64, 2, 96)
  encoder = model.pixel_decoder
  assert (encoder.width, encoder.mask_width, encoder.encoder_layers) == (64, 32, 2)
  assert (encoder.encoder_heads, encoder.encoder_feedforward, model.num_queries) == (2, 80, 9)
  resnet = model.backbone.resnet
  assert model.backbone.type == 'resnet' and resnet.depth == 101 and resnet.stride_in_1x1
  assert (resnet.stem_channels, resnet.res2_channels, resnet.bottleneck_channels) == (16, 64, 16)


def maskformer(backbone):
  return {'model_type': 'maskformer', 'backbone_config': backbone}


@pytest.mark.parametrize('config, words', [
    ({}, 'model_type is None; this library loads maskformer and mask2former'),
    ({'model_type': 'detr'}, "model_type is 'detr'"),
    (maskformer({'model_type': 'vit'}), 'backbone_config.model_type'),
    (maskformer('swin'), 'backbone_config.model_type is None'),
    (maskformer({**SWIN, 'patch_size': 2}), 'backbone_config.patch_size is 2'),
    (maskformer({**SWIN, 'hidden_act': 'relu'}), 'hidden_act'),
    (maskformer({**SWIN, 'out_features': STAGES[1:]}), 'out_features'),
    (maskformer({'model_type': 'swin'}), 'out_indices is None'),
    (maskformer({**RESNET, 'layer_type': 'basic'}), 'layer_type'),
    (maskformer({**RESNET, 'depths': [1, 2, 3, 4]}), 'depths'),
    (maskformer({**RESNET, 'depths': 3}), 'depths is 3; it must be a list'),
    (maskformer({**RESNET, 'hidden_sizes': [8, 9, 10, 11]}), 'hidden_sizes'),
    ({'model_type': 'maskformer', 'use_timm_backbone': True}, 'use_timm_backbone is True'),
    ({'model_type': 'maskformer', 'decoder_config': {'activation_function': 'gelu'}},
     'decoder_config.activation_function'),
    ({'model_type': 'maskformer', 'decoder_config': 3}, 'decoder_config is not a group'),
    ({'model_type': 'mask2former', 'pre_norm': True}, 'pre_norm is True'),
    ({'model_type': 'mask2former', 'hidden_dim': 128}, 'hidden_dim is 128'),
    ({'model_type': 'mask2former', 'decoder_layers': 1}, 'decoder_layers is 1'),
    ({'model_type': 'mask2former', 'dropout': 0.1}, 'dropout is 0.1'),
    ({'model_type': 'mask2former', 'id2label': {'1': 'a'}}, 'id2label does not number its 1 cl'),
    ({'model_type': 'mask2former', 'id2label': []}, 'id2label is not a table'),
])
def test_what_cannot_be_computed_is_refused(tmp_path, config, words):
  with pytest.raises(UserError, match=words) as error:
    read(tmp_path, config)
  assert str(error.value).startswith(f'{tmp_path}/config.json: ') and '\n' not in str(error.value)


def test_damaged_files(tmp_path):
  (tmp_path / 'config.json').write_text('{')
  with pytest.raises(UserError, match='config.json is not JSON'):
    hugging_face_config.read(str(tmp_path / 'config.json'))
  texts = {
      b'\xff': 'is not text in UTF-8', b'[' * 10**5: 'is nested too deeply',
      b'{"a": NaN}': 'NaN is not a finite', b'{"a": 1e999}': '1e999 is not a finite',
      b'{"a": 1, "a": 2}': 'a is given twice', b' ' * 3 * 10**6: 'has more than 2097152 bytes'}
  for text, words in texts.items():
    (tmp_path / 'config.json').write_bytes(text)
    with pytest.raises(UserError, match=f'config.json .*{words}'):
      hugging_face_config.read(str(tmp_path / 'config.json'))
  (tmp_path / 'config.json').write_text('[]')
  with pytest.raises(UserError, match='config.json is not a configuration'):
    hugging_face_config.read(str(tmp_path / 'config.json'))


DEEP = json.loads('[' * 500 + ']' * 500)


@pytest.mark.parametrize('config, words', [
    ({'model_type': DEEP}, r'model_type is \[\[\[\[\[\['),
    ({'model_type': 'x' * 10**6}, "model_type is 'x"),
    (maskformer({'model_type': DEEP}), 'backbone_config.model_type is'),
    (maskformer({**SWIN, 'embed_dim': DEEP}), 'swin.embed_dim would be'),
    (maskformer({**SWIN, 'embed_dim': 10**400}), 'swin.embed_dim would be 1000'),
    (maskformer({**SWIN, 'mlp_ratio': -1e30}), 'swin.mlp_ratio would be -1e'),
    (maskformer({**SWIN, 'depths': [2, {}]}), 'swin.depths would be {}'),
    (maskformer({**SWIN, 'patch_size': DEEP}), 'patch_size is'),
    ({'model_type': 'maskformer', 'fpn_feature_size': {'a': DEEP}}, 'width would be'),
    ({'model_type': 'mask2former', 'num_queries': 10**30}, 'num_queries would be'),
    ({'model_type': 'mask2former', 'decoder_layers': DEEP}, 'decoder_layers is'),
    ({'model_type': 'mask2former', 'id2label': {'0': DEEP}}, 'id2label has a name that is not a'),
])
def test_values_of_any_size_and_depth(tmp_path, config, words):
  with pytest.raises(UserError, match=words) as error:
    read(tmp_path, config)
  assert len(str(error.value)) < 1000


@pytest.mark.parametrize('values', [
    {'rescale_factor': 10**400}, {'image_mean': DEEP}, {'image_std': {'a': 1}},
    {'size': {'shortest_edge': DEEP}}, {'size': 10**30}, {'size_divisor': 'x' * 10**5}])
def test_preprocessors_of_any_size_and_depth(tmp_path, values):
  with pytest.raises(UserError) as error:
    overrides.apply_values(
        registry.get('maskformer_coco_panoptic'),
        read(tmp_path, {'model_type': 'maskformer'}, values).settings, 'x')
  assert len(str(error.value)) < 5000


def test_names_are_printable(tmp_path):
  labels = {'0': 'a\nb\x1b[2J', '1': '\ud800', '2': 'x' * 10**5}
  found = read(tmp_path, {
      'model_type': 'maskformer', 'id2label': labels, '_name_or_path': ['x' * 10**5]})
  assert found.labels[:2] == (r'a\nb\x1b[2J', r'\ud800')
  assert len(found.labels[2]) < 300 and len(found.name) < 300


def test_find(tmp_path):
  assert hugging_face_config.find(str(tmp_path)) is None
  (tmp_path / 'config.json').write_text('{}')
  for name in ('', 'model.safetensors', 'pytorch_model.bin', 'model.safetensors.index.json'):
    assert hugging_face_config.find(str(tmp_path / name)) == str(tmp_path / 'config.json')
  assert hugging_face_config.find(str(tmp_path / 'model_final.pkl')) is None


RESIZE = 'task.validation_data.parser.augmentation.'


@pytest.mark.parametrize('values, short, long, divisor', [
    ({}, [800], 1333, 32),
    ({'size': {'shortest_edge': 640, 'longest_edge': 2560}, 'size_divisor': 16}, [640], 2560, 16),
    ({'size': 512, 'max_size': 2048}, [512], 2048, 32),
    ({'size': {'shortest_edge': 384}, 'size_divisor': 0}, [384], 0, 0)])
def test_sizes(tmp_path, values, short, long, divisor):
  found = read(tmp_path, {'model_type': 'maskformer'}, values)
  assert found.settings[RESIZE + 'short_edges'] == short
  assert found.settings[RESIZE + 'long_edge_limit'] == long
  assert found.settings['task.model.size_divisibility'] == divisor and not found.remarks


def test_no_resizing(tmp_path):
  found = read(tmp_path, {'model_type': 'maskformer'}, {'do_resize': False})
  assert found.settings[RESIZE + 'short_edges'] == []
  assert found.settings[RESIZE + 'long_edge_limit'] == 0


@pytest.mark.parametrize('values, words', [
    ({'size': {'height': 384, 'width': 384}}, 'which is not a shortest edge'),
    ({'resample': 3}, 'resample is 3; images are resized bilinearly here')])
def test_other_resizing_is_remarked(tmp_path, values, words):
  remark, = read(tmp_path, {'model_type': 'maskformer'}, values).remarks
  assert words in remark


@pytest.mark.parametrize('values, words', [
    ({'image_mean': [0.5, 0.5, 0.5]}, 'image_mean is'), ({'image_std': 'x'}, 'image_std is'),
    ({'do_normalize': False}, 'do_normalize is False'),
    ({'rescale_factor': 1}, 'rescale_factor is 1')])
def test_other_normalization_is_refused(tmp_path, values, words):
  with pytest.raises(UserError, match=f'preprocessor_config.json: {words}'):
    read(tmp_path, {'model_type': 'maskformer'}, values)
