"""Name tables: how other libraries call the tensors that the official MaskFormer files call `backbone.…` and so on.

A table is a list of (pattern, official name); the first that matches a whole name is taken. `{0}` is the first group,
`{0+2}` the first plus two, `{0-1}` less one, `{3~0}` three less the first. A name that ends in `#0`, `#1`, `#2` is
that third of a tensor whose rows are query, key and value.
"""

import dataclasses
import re
from collections.abc import Callable

import numpy as np

from tf_maskformer.modeling.layers.norms import EPSILON
from tf_maskformer.ops.image import PIXEL_STD

_Rules = list[tuple[str, str]]

# Not weights of the models: counters, constants that are computed, classifiers of ImageNet.
_IGNORED = (
    r'criterion\.empty_weight', r'(.*\.)?relative_position_index', r'(.*\.)?attn_mask', r'(.*\.)?num_batches_tracked',
    r'pixel_mean', r'pixel_std')

_LAST = r'(weight|bias)'
_NORM = r'(weight|bias|running_mean|running_var)'


@dataclasses.dataclass(frozen=True)
class NameTable:
  """One way to name the tensors.

  Attributes:
    kind: what the reports call it.
    marks: patterns of names by which a file is recognized; each must match one.
    rules: the table.
    ignored: patterns of names that are no weights, beside those that never are.
    absent: patterns of official names that such files do not have, so that they keep their initial values.
    finish: changes the arrays, by official name, once all are renamed.
  """
  kind: str
  marks: tuple[str, ...]
  rules: _Rules
  ignored: tuple[str, ...] = ()
  absent: tuple[str, ...] = ()
  finish: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = lambda arrays: arrays


# The official files themselves. Before version 2 of the head its pixel decoder had no name of its own; the official
# reader inserts it, into names that have it too, so any number of times is taken as one.
_OFFICIAL: _Rules = [
    (r'(backbone\..*)', '{0}'),
    # Mask2Former's first version.
    (r'sem_seg_head\.predictor\.static_query\.(.*)', 'sem_seg_head.predictor.query_feat.{0}'),
    (r'(sem_seg_head\.predictor\..*)', '{0}'),
    (r'sem_seg_head\.(?:pixel_decoder\.)*((?:adapter_|layer_|mask_features\.|input_proj\.|transformer\.).*)',
     'sem_seg_head.pixel_decoder.{0}'),
]

_TORCHVISION: _Rules = [
    (r'conv1\.weight', 'backbone.stem.conv1.weight'),
    (rf'bn1\.{_NORM}', 'backbone.stem.conv1.norm.{0}'),
    (r'layer(\d)\.(\d+)\.conv(\d)\.weight', 'backbone.res{0+1}.{1}.conv{2}.weight'),
    (rf'layer(\d)\.(\d+)\.bn(\d)\.{_NORM}', 'backbone.res{0+1}.{1}.conv{2}.norm.{3}'),
    (r'layer(\d)\.(\d+)\.downsample\.0\.weight', 'backbone.res{0+1}.{1}.shortcut.weight'),
    (rf'layer(\d)\.(\d+)\.downsample\.1\.{_NORM}', 'backbone.res{0+1}.{1}.shortcut.norm.{2}'),
]

_CAFFE2_NORM = {
    'bn_gamma': 'norm.weight', 'bn_beta': 'norm.bias', 'bn_s': 'norm.weight', 'bn_b': 'norm.bias',
    'bn_running_mean': 'norm.running_mean', 'bn_running_var': 'norm.running_var', 'w': 'weight'}
_CAFFE2: _Rules = [('conv1_w', 'backbone.stem.conv1.weight')] + [
    (f'res_conv1_{theirs}', f'backbone.stem.conv1.{ours}') for theirs, ours in _CAFFE2_NORM.items()] + [
    (rf'res(\d)_(\d+)_{branch}_{theirs}', f'backbone.res{{0}}.{{1}}.{part}.{ours}')
    for branch, part in (('branch1', 'shortcut'), ('branch2a', 'conv1'), ('branch2b', 'conv2'), ('branch2c', 'conv3'))
    for theirs, ours in _CAFFE2_NORM.items()]


def _from_caffe2(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """From BGR bytes without a division to normalized RGB; a norm without statistics has mean 0 and variance 1."""
  arrays = dict(arrays)
  stem = arrays['backbone.stem.conv1.weight']  # [out, in, height, width]
  scale = np.asarray(PIXEL_STD, np.float64)[None, :, None, None]
  arrays['backbone.stem.conv1.weight'] = (stem[:, ::-1] * scale).astype(np.float32)
  for name, value in list(arrays.items()):
    if name.endswith('.norm.weight'):
      arrays.setdefault(name.replace('norm.weight', 'norm.running_mean'), np.zeros_like(value))
      arrays.setdefault(name.replace('norm.weight', 'norm.running_var'), np.full_like(value, 1 - EPSILON))
  return arrays


_ENCODER = r'model\.pixel_level_module\.encoder\.'
_DECODER = r'model\.pixel_level_module\.decoder\.'
_QUERIES = r'model\.transformer_module\.'
_SWIN = _ENCODER + r'(?:model\.)?'
_BLOCK = _SWIN + r'encoder\.layers\.(\d)\.blocks\.(\d+)\.'
_THIRDS = (('query', 0), ('key', 1), ('value', 2))
_LAYER = 'sem_seg_head.predictor.transformer.decoder.layers.{0}.'

_HF_BACKBONES: _Rules = [
    # ResNet.
    (_ENCODER + r'embedder\.embedder\.convolution\.weight', 'backbone.stem.conv1.weight'),
    (_ENCODER + rf'embedder\.embedder\.normalization\.{_NORM}', 'backbone.stem.conv1.norm.{0}'),
    (_ENCODER + r'encoder\.stages\.(\d)\.layers\.(\d+)\.layer\.(\d)\.convolution\.weight',
     'backbone.res{0+2}.{1}.conv{2+1}.weight'),
    (_ENCODER + rf'encoder\.stages\.(\d)\.layers\.(\d+)\.layer\.(\d)\.normalization\.{_NORM}',
     'backbone.res{0+2}.{1}.conv{2+1}.norm.{3}'),
    (_ENCODER + r'encoder\.stages\.(\d)\.layers\.(\d+)\.shortcut\.convolution\.weight',
     'backbone.res{0+2}.{1}.shortcut.weight'),
    (_ENCODER + rf'encoder\.stages\.(\d)\.layers\.(\d+)\.shortcut\.normalization\.{_NORM}',
     'backbone.res{0+2}.{1}.shortcut.norm.{2}'),
    # Swin.
    (_SWIN + rf'embeddings\.patch_embeddings\.projection\.{_LAST}', 'backbone.patch_embed.proj.{0}'),
    (_SWIN + rf'embeddings\.norm\.{_LAST}', 'backbone.patch_embed.norm.{0}'),
    (_BLOCK + rf'layernorm_before\.{_LAST}', 'backbone.layers.{0}.blocks.{1}.norm1.{2}'),
    (_BLOCK + rf'layernorm_after\.{_LAST}', 'backbone.layers.{0}.blocks.{1}.norm2.{2}'),
    (_BLOCK + r'attention\.self\.relative_position_bias_table',
     'backbone.layers.{0}.blocks.{1}.attn.relative_position_bias_table'),
    *[(_BLOCK + rf'attention\.self\.{part}\.{_LAST}', f'backbone.layers.{{0}}.blocks.{{1}}.attn.qkv.{{2}}#{i}')
      for part, i in _THIRDS],
    (_BLOCK + rf'attention\.output\.dense\.{_LAST}', 'backbone.layers.{0}.blocks.{1}.attn.proj.{2}'),
    (_BLOCK + rf'intermediate\.dense\.{_LAST}', 'backbone.layers.{0}.blocks.{1}.mlp.fc1.{2}'),
    (_BLOCK + rf'output\.dense\.{_LAST}', 'backbone.layers.{0}.blocks.{1}.mlp.fc2.{2}'),
    (_SWIN + rf'encoder\.layers\.(\d)\.downsample\.(norm|reduction)\.{_LAST}',
     'backbone.layers.{0}.downsample.{1}.{2}'),
    (_ENCODER + rf'hidden_states_norms\.(\d)\.{_LAST}', 'backbone.norm{0}.{1}'),
    (_ENCODER + rf'hidden_states_norms\.stage(\d)\.{_LAST}', 'backbone.norm{0-1}.{1}'),
]
_HF_MASKFORMER: _Rules = _HF_BACKBONES + [
    # Pixel decoder.
    (_DECODER + r'fpn\.stem\.0\.weight', 'sem_seg_head.pixel_decoder.layer_4.weight'),
    (_DECODER + rf'fpn\.stem\.1\.{_LAST}', 'sem_seg_head.pixel_decoder.layer_4.norm.{0}'),
    (_DECODER + r'fpn\.layers\.(\d)\.proj\.0\.weight', 'sem_seg_head.pixel_decoder.adapter_{3~0}.weight'),
    (_DECODER + rf'fpn\.layers\.(\d)\.proj\.1\.{_LAST}', 'sem_seg_head.pixel_decoder.adapter_{3~0}.norm.{1}'),
    (_DECODER + r'fpn\.layers\.(\d)\.block\.0\.weight', 'sem_seg_head.pixel_decoder.layer_{3~0}.weight'),
    (_DECODER + rf'fpn\.layers\.(\d)\.block\.1\.{_LAST}', 'sem_seg_head.pixel_decoder.layer_{3~0}.norm.{1}'),
    (_DECODER + rf'mask_projection\.{_LAST}', 'sem_seg_head.pixel_decoder.mask_features.{0}'),
    # Transformer decoder and heads.
    (_QUERIES + r'queries_embedder\.weight', 'sem_seg_head.predictor.query_embed.weight'),
    (_QUERIES + rf'input_projection\.{_LAST}', 'sem_seg_head.predictor.input_proj.{0}'),
    *[(_QUERIES + rf'decoder\.layers\.(\d+)\.{theirs}\.{third[0]}_proj\.{_LAST}', f'{_LAYER}{ours}.in_proj_{{1}}#{i}')
      for theirs, ours in (('self_attn', 'self_attn'), ('encoder_attn', 'multihead_attn')) for third, i in _THIRDS],
    (_QUERIES + rf'decoder\.layers\.(\d+)\.self_attn\.out_proj\.{_LAST}', _LAYER + 'self_attn.out_proj.{1}'),
    (_QUERIES + rf'decoder\.layers\.(\d+)\.encoder_attn\.out_proj\.{_LAST}', _LAYER + 'multihead_attn.out_proj.{1}'),
    *[(_QUERIES + rf'decoder\.layers\.(\d+)\.{theirs}\.{_LAST}', f'{_LAYER}{ours}.{{1}}') for theirs, ours in (
        ('self_attn_layer_norm', 'norm1'), ('encoder_attn_layer_norm', 'norm2'), ('final_layer_norm', 'norm3'),
        ('fc1', 'linear1'), ('fc2', 'linear2'))],
    (_QUERIES + rf'decoder\.layernorm\.{_LAST}', 'sem_seg_head.predictor.transformer.decoder.norm.{0}'),
    (rf'mask_embedder\.(\d)\.0\.{_LAST}', 'sem_seg_head.predictor.mask_embed.layers.{0}.{1}'),
    (rf'class_predictor\.{_LAST}', 'sem_seg_head.predictor.class_embed.{0}'),
]

_PIXEL = 'sem_seg_head.pixel_decoder.'
_PREDICTOR = 'sem_seg_head.predictor.'
_DEFORMABLE = _DECODER + r'encoder\.layers\.(\d+)\.'
_HF_MASK2FORMER: _Rules = _HF_BACKBONES + [
    # Pixel decoder.
    (_DECODER + rf'input_projections\.(\d)\.(\d)\.{_LAST}', _PIXEL + 'input_proj.{0}.{1}.{2}'),
    (_DECODER + r'level_embed', _PIXEL + 'transformer.level_embed'),
    (_DECODER + r'(adapter_1|layer_1)\.0\.weight', _PIXEL + '{0}.weight'),
    (_DECODER + rf'(adapter_1|layer_1)\.1\.{_LAST}', _PIXEL + '{0}.norm.{1}'),
    (_DECODER + rf'mask_projection\.{_LAST}', _PIXEL + 'mask_features.{0}'),
    (_DEFORMABLE + rf'self_attn\.(sampling_offsets|attention_weights|value_proj|output_proj)\.{_LAST}',
     _PIXEL + 'transformer.encoder.layers.{0}.self_attn.{1}.{2}'),
    *[(_DEFORMABLE + rf'{theirs}\.{_LAST}', f'{_PIXEL}transformer.encoder.layers.{{0}}.{ours}.{{1}}')
      for theirs, ours in (('self_attn_layer_norm', 'norm1'), ('final_layer_norm', 'norm2'), ('fc1', 'linear1'),
                           ('fc2', 'linear2'))],
    # Transformer decoder and heads.
    (_QUERIES + r'queries_embedder\.weight', _PREDICTOR + 'query_embed.weight'),
    (_QUERIES + r'queries_features\.weight', _PREDICTOR + 'query_feat.weight'),
    (_QUERIES + r'level_embed\.weight', _PREDICTOR + 'level_embed.weight'),
    *[(_QUERIES + rf'decoder\.layers\.(\d+)\.self_attn\.{third[0]}_proj\.{_LAST}',
       f'{_PREDICTOR}transformer_self_attention_layers.{{0}}.self_attn.in_proj_{{1}}#{i}') for third, i in _THIRDS],
    *[(_QUERIES + rf'decoder\.layers\.(\d+)\.{theirs}{_LAST}', f'{_PREDICTOR}transformer_{ours}{{1}}')
      for theirs, ours in (
          (r'self_attn\.out_proj\.', 'self_attention_layers.{0}.self_attn.out_proj.'),
          (r'self_attn_layer_norm\.', 'self_attention_layers.{0}.norm.'),
          (r'cross_attn\.in_proj_', 'cross_attention_layers.{0}.multihead_attn.in_proj_'),
          (r'cross_attn\.out_proj\.', 'cross_attention_layers.{0}.multihead_attn.out_proj.'),
          (r'cross_attn_layer_norm\.', 'cross_attention_layers.{0}.norm.'),
          (r'fc1\.', 'ffn_layers.{0}.linear1.'), (r'fc2\.', 'ffn_layers.{0}.linear2.'),
          (r'final_layer_norm\.', 'ffn_layers.{0}.norm.'))],
    (_QUERIES + rf'decoder\.layernorm\.{_LAST}', _PREDICTOR + 'decoder_norm.{0}'),
    (_QUERIES + rf'decoder\.mask_predictor\.mask_embedder\.(\d)\.0\.{_LAST}',
     _PREDICTOR + 'mask_embed.layers.{0}.{1}'),
    (rf'class_predictor\.{_LAST}', _PREDICTOR + 'class_embed.{0}'),
]

_HF_IGNORED = (_SWIN + r'(?:swin\.)?layernorm\..*', r'criterion\..*')
NAME_TABLES = (
    NameTable('Hugging Face Mask2Former',
             (r'model\.pixel_level_module\..*', r'model\.transformer_module\.queries_features.*'),
             _HF_MASK2FORMER, ignored=_HF_IGNORED),
    NameTable('Hugging Face MaskFormer', (r'model\.pixel_level_module\..*',), _HF_MASKFORMER, ignored=_HF_IGNORED),
    NameTable('official MaskFormer', (r'backbone\..*', r'sem_seg_head\..*'), _OFFICIAL),
    NameTable('official backbone', (r'backbone\..*',), _OFFICIAL[:1]),
    NameTable('Swin release', (r'patch_embed\.proj\.weight', r'layers\.0\.blocks\.0\..*'),
             [(r'((?:patch_embed|layers)\..*)', 'backbone.{0}')], ignored=(r'norm\..*', r'head\..*'),
             absent=(r'backbone\.norm[0-3]\..*',)),  # a classifier has no norm after its stages
    NameTable('detectron2 ResNet', (r'stem\.conv1\.weight', r'res2\..*'),
             [(r'((?:stem\.conv|res[2-5]\.).*)', 'backbone.{0}')], ignored=(r'stem\.fc\..*', r'fc\..*', r'linear\..*')),
    NameTable('torchvision ResNet', (r'conv1\.weight', r'layer1\.0\.conv1\.weight'), _TORCHVISION,
             ignored=(r'fc\..*',)),
    NameTable('MSRA ResNet', ('conv1_w', r'res2_0_branch2a_w'), _CAFFE2,
             ignored=(r'conv1_b', r'fc1000_.*', r'pred_.*'), finish=_from_caffe2),
)


def recognize(names: list[str]) -> NameTable | None:
  """Returns the table of a file's names; None where they are none of these."""
  for table in NAME_TABLES:
    if all(any(re.fullmatch(mark, name) for name in names) for mark in table.marks):
      return table
  return None


def is_ignored(table: NameTable, name: str) -> bool:
  """Whether a name of such a file is no weight of the models."""
  return any(re.fullmatch(pattern, name) for pattern in (*_IGNORED, *table.ignored))


def official(table: NameTable, name: str) -> str | None:
  """Returns the official name, perhaps with the mark of a third; None where no rule knows the name."""
  for pattern, target in table.rules:
    match = re.fullmatch(pattern, name)
    if match:
      return _filled(target, match.groups())
  return None


def _filled(target: str, groups: tuple[str, ...]) -> str:
  def value(match):
    index, operation, number = match.groups()
    if operation is None:
      return groups[int(index)]
    if operation == '+':
      return str(int(groups[int(index)]) + int(number))
    if operation == '~':
      return str(int(index) - int(groups[int(number)]))
    return str(int(groups[int(index)]) - int(number))
  return re.sub(r'\{(\d)(?:([+~-])(\d))?\}', value, target)
