"""What the config.json of a Hugging Face folder says, as settings of an experiment of this project.

Source: MaskFormerConfig, Mask2FormerConfig, SwinConfig, ResNetConfig, DetrConfig and the image
processors of transformers 4.20 to 5.24. A file leaves out what has its default, so the defaults are
listed here. What this library cannot compute exactly is refused, with the key.
"""

import dataclasses
import os
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_maskformer.errors import UserError
from tf_maskformer.errors import quoted
from tf_maskformer.modeling.backbones.resnet import BLOCKS
from tf_maskformer.modeling.conversion import foreign_files
from tf_maskformer.ops.image import PIXEL_MEAN
from tf_maskformer.ops.image import PIXEL_STD

CONFIG = 'config.json'
PREPROCESSOR = 'preprocessor_config.json'
_BACKBONE = 'task.model.backbone'
_PIXEL_DECODER = 'task.model.pixel_decoder'
_DECODER = 'task.model.transformer_decoder'
_LOSSES = 'task.losses'
_RESIZE = 'task.validation_data.parser.augmentation'

_STAGES = ['stage1', 'stage2', 'stage3', 'stage4']
_SWIN = {
    'patch_size': 4, 'num_channels': 3, 'embed_dim': 96, 'depths': [2, 2, 6, 2],
    'num_heads': [3, 6, 12, 24], 'window_size': 7, 'mlp_ratio': 4.0, 'qkv_bias': True,
    'drop_path_rate': 0.1, 'hidden_dropout_prob': 0.0, 'attention_probs_dropout_prob': 0.0,
    'hidden_act': 'gelu', 'use_absolute_embeddings': False, 'layer_norm_eps': 1e-5}
_RESNET = {
    'num_channels': 3, 'embedding_size': 64, 'hidden_sizes': [256, 512, 1024, 2048],
    'depths': [3, 4, 6, 3], 'layer_type': 'bottleneck', 'hidden_act': 'relu',
    'downsample_in_first_stage': False, 'downsample_in_bottleneck': False}
_DETR = {
    'num_queries': 100, 'd_model': 256, 'decoder_layers': 6, 'decoder_attention_heads': 8,
    'decoder_ffn_dim': 2048, 'dropout': 0.1, 'activation_function': 'relu', 'model_type': 'detr'}
_MASKFORMER = {
    'fpn_feature_size': 256, 'mask_feature_size': 256, 'no_object_weight': 0.1, 'dice_weight': 1.0,
    'cross_entropy_weight': 1.0, 'mask_weight': 20.0, 'decoder_config': {},
    'use_timm_backbone': False,
    'backbone_config': {  # Swin-B
        'model_type': 'swin', 'embed_dim': 128, 'depths': [2, 2, 18, 2],
        'num_heads': [4, 8, 16, 32], 'window_size': 12, 'drop_path_rate': 0.3,
        'out_features': _STAGES}}
_MASK2FORMER = {
    'feature_size': 256, 'mask_feature_size': 256, 'hidden_dim': 256,
    'encoder_feedforward_dim': 1024, 'activation_function': 'relu', 'encoder_layers': 6,
    'decoder_layers': 10,
    'num_attention_heads': 8, 'dropout': 0.0, 'dim_feedforward': 2048, 'pre_norm': False,
    'enforce_input_projection': False, 'common_stride': 4, 'num_queries': 100,
    'no_object_weight': 0.1, 'class_weight': 2.0, 'mask_weight': 5.0, 'dice_weight': 5.0,
    'train_num_points': 12544, 'oversample_ratio': 3.0, 'importance_sample_ratio': 0.75,
    'feature_strides': [4, 8, 16, 32], 'use_timm_backbone': False,
    'backbone_config': {  # Swin-S
        'model_type': 'swin', 'depths': [2, 2, 18, 2], 'drop_path_rate': 0.3,
        'out_features': _STAGES}}
_NUM_LABELS = 2  # of a configuration without id2label
_LARGEST = 2**20  # of a number in a setting; the largest in use, points of a loss, is 12544
_printer = reprlib.Repr()
_printer.maxstring = 200
_shown = _printer.repr  # for messages: repr of a value of any size and depth


@dataclasses.dataclass(frozen=True)
class HuggingFaceConfig:
  """A model that transformers saved.

  Attributes:
    path: of its config.json.
    family: 'maskformer' or 'mask2former'.
    labels: names of the classes in their order.
    settings: from the dotted name of an experiment's field to its value.
    remarks: one line each for what prediction does in another way than transformers.
    name: what the model was called, for a guess at its task: the folder's name, and the name that
      it was loaded from.
  """
  path: str
  family: str
  labels: tuple[str, ...]
  settings: Mapping[str, Any]
  remarks: tuple[str, ...]
  name: str


class _Options:
  """A group of options of a configuration file, with their defaults."""

  def __init__(self, path: str, values: Any, defaults: Mapping[str, Any], group: str = ''):
    self._path = path
    self._prefix = f'{group}.' if group else ''
    if not isinstance(values, Mapping):
      raise UserError(f'{path}: {group or "the file"} is not a group of options')
    self._values = values
    self._defaults = defaults

  def __getitem__(self, key: str) -> Any:
    value = self._values.get(key)
    return self._defaults.get(key) if value is None else value

  def require(self, key: str, *allowed: Any) -> None:
    """Raises UserError where an option has another value than those that are allowed."""
    if self[key] not in allowed:
      known = ' or '.join(repr(value) for value in allowed)
      raise self.refused(key, f'this library computes only {known}')

  def whole_numbers(self, key: str) -> list[int]:
    """Returns a list of whole numbers above 0; raises UserError where the option is not one."""
    value = self[key]
    if not isinstance(value, list) or not value or any(type(n) is not int or n < 1 for n in value):
      raise self.refused(key, 'it must be a list of whole numbers above 0')
    return value

  def refused(self, key: str, reason: str) -> UserError:
    """Returns the error for an option that this library cannot follow."""
    return UserError(f'{self._path}: {self._prefix}{key} is {_shown(self[key])}; {reason}')


def find(source: str) -> str | None:
  """Returns the config.json of a Hugging Face folder or of a file in it, or None."""
  folder = source.rstrip('/')
  if not tf.io.gfile.isdir(source):
    if not source.endswith(('.safetensors', '.bin', '.index.json')):
      return None
    folder = os.path.dirname(source)
  path = os.path.join(folder, CONFIG)
  return path if tf.io.gfile.exists(path) else None


def read(path: str) -> HuggingFaceConfig:
  """Returns what a config.json and the preprocessor_config.json next to it, if there is one, say.

  Raises:
    UserError: a file is damaged, or the model or an option is not one that this library computes.
  """
  values = _read_json(path)
  family = values.get('model_type')
  if family == 'maskformer':
    settings = _maskformer(_Options(path, values, _MASKFORMER), path)
  elif family == 'mask2former':
    settings = _mask2former(_Options(path, values, _MASK2FORMER), path)
  else:
    raise UserError(
        f'{path}: model_type is {_shown(family)}; '
        'this library loads maskformer and mask2former')
  labels = _labels(path, values)
  settings['task.model.num_classes'] = len(labels)
  remarks: list[str] = []
  folder = os.path.dirname(path)
  preprocessor = os.path.join(folder, PREPROCESSOR)
  if tf.io.gfile.exists(preprocessor):
    settings.update(_preprocessing(preprocessor, remarks))
  _require_plain(path, settings)
  loaded_from = values.get('_name_or_path')
  name = os.path.basename(os.path.abspath(folder))
  if isinstance(loaded_from, str):
    name = f'{name} {quoted(loaded_from)}'
  return HuggingFaceConfig(path, family, labels, settings, tuple(remarks), name)


def labels(path: str) -> tuple[str, ...] | None:
  """Returns the names of the classes that a config.json says, in their order; None: it has none.

  Raises:
    UserError: the file is damaged.
  """
  values = _read_json(path)
  found = _labels(path, values)
  # What transformers writes where nobody named them.
  is_named = any(name != f'LABEL_{i}' for i, name in enumerate(found))
  return found if is_named else None


def _read_json(path: str) -> Mapping[str, Any]:
  values = foreign_files.read_json(path)
  if not isinstance(values, Mapping):
    raise UserError(f'{path} is not a configuration; download it again')
  return values


def _require_plain(path: str, settings: Mapping[str, Any]) -> None:
  """Refuses what no setting can be, and numbers for which building the model ends the process."""
  for name, value in settings.items():
    for one in value if isinstance(value, list) else [value]:
      if not isinstance(one, (bool, int, float, str)):
        raise UserError(f'{path}: {name} would be {_shown(one)}, which is not a number or a text')
      if not isinstance(one, str) and abs(one) > _LARGEST:
        raise UserError(f'{path}: {name} would be {_shown(one)}; at most {_LARGEST} is possible')


def _labels(path: str, values: Mapping[str, Any]) -> tuple[str, ...]:
  """Returns the names of the classes, in their order."""
  id2label = values.get('id2label')
  if id2label is None:
    return tuple(f'LABEL_{i}' for i in range(_NUM_LABELS))
  if not isinstance(id2label, Mapping) or not id2label:
    raise UserError(f'{path}: id2label is not a table from a number to a name')
  if not all(isinstance(name, str) for name in id2label.values()):
    raise UserError(f'{path}: id2label has a name that is not a text')
  by_id = {key: quoted(name) for key, name in id2label.items()}
  ids = [str(i) for i in range(len(by_id))]
  if set(by_id) != set(ids):
    raise UserError(f'{path}: id2label does not number its {len(by_id)} classes from 0 on')
  return tuple(by_id[i] for i in ids)


def _maskformer(options: _Options, path: str) -> dict[str, Any]:
  decoder = _Options(path, options['decoder_config'], _DETR, 'decoder_config')
  decoder.require('model_type', 'detr')
  decoder.require('activation_function', 'relu')
  return {
      'task.model.num_queries': decoder['num_queries'],
      'task.model.which_pixel_decoder': 'fpn',
      'task.model.deep_supervision': True,
      f'{_PIXEL_DECODER}.width': options['fpn_feature_size'],
      f'{_PIXEL_DECODER}.mask_width': options['mask_feature_size'],
      f'{_DECODER}.layers': decoder['decoder_layers'],
      f'{_DECODER}.hidden': decoder['d_model'],
      f'{_DECODER}.heads': decoder['decoder_attention_heads'],
      f'{_DECODER}.feedforward': decoder['decoder_ffn_dim'],
      f'{_DECODER}.dropout': decoder['dropout'],
      f'{_DECODER}.pre_norm': False,
      f'{_DECODER}.input_projection': False,
      f'{_LOSSES}.no_object_weight': options['no_object_weight'],
      f'{_LOSSES}.class_weight': options['cross_entropy_weight'],
      f'{_LOSSES}.mask_weight': options['mask_weight'],
      f'{_LOSSES}.dice_weight': options['dice_weight'],
      **_backbone(options, path),
  }


def _mask2former(options: _Options, path: str) -> dict[str, Any]:
  options.require('activation_function', 'relu')
  options.require('dropout', 0)  # it would drop layers, too
  options.require('pre_norm', False)
  options.require('enforce_input_projection', False)
  options.require('common_stride', 4)
  options.require('feature_strides', [4, 8, 16, 32])
  options.require('hidden_dim', options['feature_size'])
  return {
      'task.model.num_queries': options['num_queries'],
      'task.model.which_pixel_decoder': 'deformable',
      'task.model.deep_supervision': True,
      f'{_PIXEL_DECODER}.width': options['feature_size'],
      f'{_PIXEL_DECODER}.mask_width': options['mask_feature_size'],
      f'{_PIXEL_DECODER}.encoder_layers': options['encoder_layers'],
      f'{_PIXEL_DECODER}.encoder_heads': options['num_attention_heads'],
      f'{_PIXEL_DECODER}.encoder_feedforward': options['encoder_feedforward_dim'],
      f'{_PIXEL_DECODER}.encoder_points': 4,
      # Theirs counts the prediction before the first layer.
      f'{_DECODER}.layers': _one_less(options, 'decoder_layers'),
      f'{_DECODER}.hidden': options['hidden_dim'],
      f'{_DECODER}.heads': options['num_attention_heads'],
      f'{_DECODER}.feedforward': options['dim_feedforward'],
      f'{_DECODER}.dropout': 0.0,
      f'{_DECODER}.pre_norm': False,
      f'{_LOSSES}.no_object_weight': options['no_object_weight'],
      f'{_LOSSES}.class_weight': options['class_weight'],
      f'{_LOSSES}.mask_weight': options['mask_weight'],
      f'{_LOSSES}.dice_weight': options['dice_weight'],
      f'{_LOSSES}.points': options['train_num_points'],
      f'{_LOSSES}.oversample_ratio': options['oversample_ratio'],
      f'{_LOSSES}.importance_ratio': options['importance_sample_ratio'],
      **_backbone(options, path),
  }


def _one_less(options: _Options, key: str) -> int:
  if not isinstance(options[key], int) or options[key] < 2:
    raise options.refused(key, 'it must be a whole number of at least 2')
  return options[key] - 1


def _backbone(options: _Options, path: str) -> dict[str, Any]:
  options.require('use_timm_backbone', False)
  values = options['backbone_config']
  group = 'backbone_config'
  kind = values.get('model_type') if isinstance(values, Mapping) else None
  if kind in ('swin', 'maskformer-swin'):
    return _swin(_Options(path, values, _SWIN, group))
  if kind == 'resnet':
    return _resnet(_Options(path, values, _RESNET, group))
  raise UserError(
      f'{path}: {group}.model_type is {_shown(kind)}; this library has swin and resnet')


def _require_all_stages(options: _Options) -> None:
  """Refuses a backbone that gives other feature maps than those of strides 4 to 32."""
  if options['out_features'] is not None:
    options.require('out_features', _STAGES)
  else:
    options.require('out_indices', [1, 2, 3, 4])


def _swin(options: _Options) -> dict[str, Any]:
  _require_all_stages(options)
  options.require('patch_size', 4, [4, 4])
  options.require('num_channels', 3)
  options.require('hidden_act', 'gelu')
  options.require('use_absolute_embeddings', False)
  options.require('layer_norm_eps', 1e-5)
  options.require('hidden_dropout_prob', 0)
  options.require('attention_probs_dropout_prob', 0)
  ours_of_theirs = {
      'embed_dim': 'embed_dim', 'depths': 'depths', 'num_heads': 'heads', 'window_size': 'window',
      'mlp_ratio': 'mlp_ratio', 'qkv_bias': 'qkv_bias', 'drop_path_rate': 'drop_path'}
  settings = {f'{_BACKBONE}.type': 'swin'}
  for theirs, ours in ours_of_theirs.items():
    settings[f'{_BACKBONE}.swin.{ours}'] = options[theirs]
  return settings


def _resnet(options: _Options) -> dict[str, Any]:
  _require_all_stages(options)
  options.require('num_channels', 3)
  options.require('layer_type', 'bottleneck')
  options.require('hidden_act', 'relu')
  options.require('downsample_in_first_stage', False)
  depth_of_blocks = {tuple(blocks): depth for depth, blocks in BLOCKS.items()}
  depth = depth_of_blocks.get(tuple(options.whole_numbers('depths')))
  if depth is None:
    known = ', '.join(str(list(blocks)) for blocks in depth_of_blocks)
    raise options.refused('depths', f'this library has {known}')
  widths = options.whole_numbers('hidden_sizes')
  if widths != [widths[0] * 2**i for i in range(4)] or widths[0] % 4:
    raise options.refused('hidden_sizes', 'here each stage is twice as wide as the one before')
  where = f'{_BACKBONE}.resnet'
  return {
      f'{_BACKBONE}.type': 'resnet',
      f'{where}.depth': depth,
      f'{where}.stem_type': 'basic',
      f'{where}.stem_channels': options['embedding_size'],
      f'{where}.res2_channels': widths[0],
      f'{where}.bottleneck_channels': widths[0] // 4,
      f'{where}.norm': 'frozen',
      f'{where}.stride_in_1x1': options['downsample_in_bottleneck'],
      f'{where}.res5_dilation': 1,
      f'{where}.res5_multi_grid': [1, 1, 1],
  }


def _preprocessing(path: str, remarks: list[str]) -> dict[str, Any]:
  """Returns the settings of an image processor; appends a line for what is done in another way."""
  values = _read_json(path)
  defaults = {
      'do_resize': True, 'do_rescale': True, 'do_normalize': True, 'rescale_factor': 1 / 255,
      'resample': 2, 'image_mean': [0.485, 0.456, 0.406], 'image_std': [0.229, 0.224, 0.225],
      'size': {'shortest_edge': 800, 'longest_edge': 1333}, 'size_divisor': 32}
  options = _Options(path, values, defaults)
  options.require('do_rescale', True)
  options.require('do_normalize', True)
  _require_numbers(options, 'rescale_factor', 1 / 255)
  _require_numbers(options, 'image_mean', np.divide(PIXEL_MEAN, 255))
  _require_numbers(options, 'image_std', np.divide(PIXEL_STD, 255))
  if not options['do_resize']:
    return {f'{_RESIZE}.short_edges': [], f'{_RESIZE}.long_edge_limit': 0}
  if options['resample'] != 2:
    remarks.append(
        f'{path}: resample is {_shown(options["resample"])}; images are resized bilinearly here')
  settings = {'task.model.size_divisibility': options['size_divisor'] or 0}
  size = options['size']
  if isinstance(size, int):  # as transformers wrote it before 4.27
    size = {'shortest_edge': size, 'longest_edge': values.get('max_size')}
  if not isinstance(size, Mapping) or not size.get('shortest_edge'):
    remarks.append(
        f'{path}: size is {_shown(size)}, which is not a shortest edge; set '
        f'{_RESIZE}.short_edges and long_edge_limit')
    return settings
  settings[f'{_RESIZE}.short_edges'] = [size['shortest_edge']]
  settings[f'{_RESIZE}.long_edge_limit'] = size.get('longest_edge') or 0
  return settings


def _require_numbers(options: _Options, key: str, wanted: float | Sequence[float]) -> None:
  try:
    is_same = np.allclose(np.asarray(options[key], float), wanted, rtol=1e-4)
  except (TypeError, ValueError, OverflowError):
    is_same = False
  if not is_same:
    raise options.refused(key, f'this library computes only {np.round(wanted, 6).tolist()}')
