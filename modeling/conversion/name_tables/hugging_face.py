"""Names in the files that Hugging Face's transformers writes."""

from tf_maskformer.modeling.conversion.name_tables.grammar import LAST
from tf_maskformer.modeling.conversion.name_tables.grammar import NORM
from tf_maskformer.modeling.conversion.name_tables.grammar import NameTable
from tf_maskformer.modeling.conversion.name_tables.grammar import Rules

_ENCODER = r'model\.pixel_level_module\.encoder\.'
_DECODER = r'model\.pixel_level_module\.decoder\.'
_QUERIES = r'model\.transformer_module\.'
_SWIN = _ENCODER + r'(?:model\.)?'
_BLOCK = _SWIN + r'encoder\.layers\.(\d)\.blocks\.(\d+)\.'
_RESIDUAL = _ENCODER + r'encoder\.stages\.(\d)\.layers\.(\d+)\.'
_LAYER = _QUERIES + r'decoder\.layers\.(\d+)\.'
_DEFORMABLE = _DECODER + r'encoder\.layers\.(\d+)\.'
_THIRDS = {'query': 0, 'key': 1, 'value': 2}

# Official names.
_OUR_BLOCK = 'backbone.layers.{0}.blocks.{1}.'
_PIXEL = 'sem_seg_head.pixel_decoder.'
_PREDICTOR = 'sem_seg_head.predictor.'
_OUR_LAYER = _PREDICTOR + 'transformer.decoder.layers.{0}.'

_RESNET: Rules = [
    (_ENCODER + r'embedder\.embedder\.convolution\.weight', 'backbone.stem.conv1.weight'),
    (_ENCODER + rf'embedder\.embedder\.normalization\.{NORM}', 'backbone.stem.conv1.norm.{0}'),
    (_RESIDUAL + r'layer\.(\d)\.convolution\.weight', 'backbone.res{0+2}.{1}.conv{2+1}.weight'),
    (_RESIDUAL + rf'layer\.(\d)\.normalization\.{NORM}',
     'backbone.res{0+2}.{1}.conv{2+1}.norm.{3}'),
    (_RESIDUAL + r'shortcut\.convolution\.weight', 'backbone.res{0+2}.{1}.shortcut.weight'),
    (_RESIDUAL + rf'shortcut\.normalization\.{NORM}', 'backbone.res{0+2}.{1}.shortcut.norm.{2}'),
]
_SWIN_TRANSFORMER: Rules = [
    (_SWIN + rf'embeddings\.patch_embeddings\.projection\.{LAST}', 'backbone.patch_embed.proj.{0}'),
    (_SWIN + rf'embeddings\.norm\.{LAST}', 'backbone.patch_embed.norm.{0}'),
    (_BLOCK + rf'layernorm_before\.{LAST}', _OUR_BLOCK + 'norm1.{2}'),
    (_BLOCK + rf'layernorm_after\.{LAST}', _OUR_BLOCK + 'norm2.{2}'),
    (_BLOCK + r'attention\.self\.relative_position_bias_table',
     _OUR_BLOCK + 'attn.relative_position_bias_table'),
    *[(_BLOCK + rf'attention\.self\.{part}\.{LAST}', f'{_OUR_BLOCK}attn.qkv.{{2}}#{third}')
      for part, third in _THIRDS.items()],
    (_BLOCK + rf'attention\.output\.dense\.{LAST}', _OUR_BLOCK + 'attn.proj.{2}'),
    (_BLOCK + rf'intermediate\.dense\.{LAST}', _OUR_BLOCK + 'mlp.fc1.{2}'),
    (_BLOCK + rf'output\.dense\.{LAST}', _OUR_BLOCK + 'mlp.fc2.{2}'),
    (_SWIN + rf'encoder\.layers\.(\d)\.downsample\.(norm|reduction)\.{LAST}',
     'backbone.layers.{0}.downsample.{1}.{2}'),
    (_ENCODER + rf'hidden_states_norms\.(\d)\.{LAST}', 'backbone.norm{0}.{1}'),
    (_ENCODER + rf'hidden_states_norms\.stage(\d)\.{LAST}', 'backbone.norm{0-1}.{1}'),
]

_MASKFORMER_PIXEL_DECODER: Rules = [
    (_DECODER + r'fpn\.stem\.0\.weight', _PIXEL + 'layer_4.weight'),
    (_DECODER + rf'fpn\.stem\.1\.{LAST}', _PIXEL + 'layer_4.norm.{0}'),
    (_DECODER + r'fpn\.layers\.(\d)\.proj\.0\.weight', _PIXEL + 'adapter_{3~0}.weight'),
    (_DECODER + rf'fpn\.layers\.(\d)\.proj\.1\.{LAST}', _PIXEL + 'adapter_{3~0}.norm.{1}'),
    (_DECODER + r'fpn\.layers\.(\d)\.block\.0\.weight', _PIXEL + 'layer_{3~0}.weight'),
    (_DECODER + rf'fpn\.layers\.(\d)\.block\.1\.{LAST}', _PIXEL + 'layer_{3~0}.norm.{1}'),
    (_DECODER + rf'mask_projection\.{LAST}', _PIXEL + 'mask_features.{0}'),
]
_MASKFORMER_ATTENTIONS = {'self_attn': 'self_attn', 'encoder_attn': 'multihead_attn'}
_MASKFORMER_LAYER = {
    'self_attn_layer_norm': 'norm1', 'encoder_attn_layer_norm': 'norm2',
    'final_layer_norm': 'norm3', 'fc1': 'linear1', 'fc2': 'linear2'}
_MASKFORMER: Rules = [
    *_RESNET, *_SWIN_TRANSFORMER, *_MASKFORMER_PIXEL_DECODER,
    # Transformer decoder and heads.
    (_QUERIES + r'queries_embedder\.weight', _PREDICTOR + 'query_embed.weight'),
    (_QUERIES + rf'input_projection\.{LAST}', _PREDICTOR + 'input_proj.{0}'),
    *[(_LAYER + rf'{theirs}\.{part[0]}_proj\.{LAST}', f'{_OUR_LAYER}{ours}.in_proj_{{1}}#{third}')
      for theirs, ours in _MASKFORMER_ATTENTIONS.items() for part, third in _THIRDS.items()],
    *[(_LAYER + rf'{theirs}\.out_proj\.{LAST}', f'{_OUR_LAYER}{ours}.out_proj.{{1}}')
      for theirs, ours in _MASKFORMER_ATTENTIONS.items()],
    *[(_LAYER + rf'{theirs}\.{LAST}', f'{_OUR_LAYER}{ours}.{{1}}')
      for theirs, ours in _MASKFORMER_LAYER.items()],
    (_QUERIES + rf'decoder\.layernorm\.{LAST}', _PREDICTOR + 'transformer.decoder.norm.{0}'),
    (rf'mask_embedder\.(\d)\.0\.{LAST}', _PREDICTOR + 'mask_embed.layers.{0}.{1}'),
    (rf'class_predictor\.{LAST}', _PREDICTOR + 'class_embed.{0}'),
]

_DEFORMABLE_LAYER = {
    'self_attn_layer_norm': 'norm1', 'final_layer_norm': 'norm2', 'fc1': 'linear1',
    'fc2': 'linear2'}
_MASK2FORMER_PIXEL_DECODER: Rules = [
    (_DECODER + rf'input_projections\.(\d)\.(\d)\.{LAST}', _PIXEL + 'input_proj.{0}.{1}.{2}'),
    (_DECODER + r'level_embed', _PIXEL + 'transformer.level_embed'),
    (_DECODER + r'(adapter_1|layer_1)\.0\.weight', _PIXEL + '{0}.weight'),
    (_DECODER + rf'(adapter_1|layer_1)\.1\.{LAST}', _PIXEL + '{0}.norm.{1}'),
    (_DECODER + rf'mask_projection\.{LAST}', _PIXEL + 'mask_features.{0}'),
    (_DEFORMABLE
     + rf'self_attn\.(sampling_offsets|attention_weights|value_proj|output_proj)\.{LAST}',
     _PIXEL + 'transformer.encoder.layers.{0}.self_attn.{1}.{2}'),
    *[(_DEFORMABLE + rf'{theirs}\.{LAST}', f'{_PIXEL}transformer.encoder.layers.{{0}}.{ours}.{{1}}')
      for theirs, ours in _DEFORMABLE_LAYER.items()],
]
_MASK2FORMER_LAYER = {
    r'self_attn\.out_proj\.': 'self_attention_layers.{0}.self_attn.out_proj.',
    r'self_attn_layer_norm\.': 'self_attention_layers.{0}.norm.',
    r'cross_attn\.in_proj_': 'cross_attention_layers.{0}.multihead_attn.in_proj_',
    r'cross_attn\.out_proj\.': 'cross_attention_layers.{0}.multihead_attn.out_proj.',
    r'cross_attn_layer_norm\.': 'cross_attention_layers.{0}.norm.',
    r'fc1\.': 'ffn_layers.{0}.linear1.',
    r'fc2\.': 'ffn_layers.{0}.linear2.',
    r'final_layer_norm\.': 'ffn_layers.{0}.norm.'}
_MASK2FORMER: Rules = [
    *_RESNET, *_SWIN_TRANSFORMER, *_MASK2FORMER_PIXEL_DECODER,
    # Transformer decoder and heads.
    (_QUERIES + r'queries_embedder\.weight', _PREDICTOR + 'query_embed.weight'),
    (_QUERIES + r'queries_features\.weight', _PREDICTOR + 'query_feat.weight'),
    (_QUERIES + r'level_embed\.weight', _PREDICTOR + 'level_embed.weight'),
    *[(_LAYER + rf'self_attn\.{part[0]}_proj\.{LAST}',
       f'{_PREDICTOR}transformer_self_attention_layers.{{0}}.self_attn.in_proj_{{1}}#{third}')
      for part, third in _THIRDS.items()],
    *[(_LAYER + rf'{theirs}{LAST}', f'{_PREDICTOR}transformer_{ours}{{1}}')
      for theirs, ours in _MASK2FORMER_LAYER.items()],
    (_QUERIES + rf'decoder\.layernorm\.{LAST}', _PREDICTOR + 'decoder_norm.{0}'),
    (_QUERIES + rf'decoder\.mask_predictor\.mask_embedder\.(\d)\.0\.{LAST}',
     _PREDICTOR + 'mask_embed.layers.{0}.{1}'),
    (rf'class_predictor\.{LAST}', _PREDICTOR + 'class_embed.{0}'),
]

_IGNORED = (_SWIN + r'(?:swin\.)?layernorm\..*', r'criterion\..*')
_MARK = r'model\.pixel_level_module\..*'
MASK2FORMER = NameTable(
    'Hugging Face Mask2Former', (_MARK, r'model\.transformer_module\.queries_features.*'),
    _MASK2FORMER, ignored=_IGNORED)
MASKFORMER = NameTable('Hugging Face MaskFormer', (_MARK,), _MASKFORMER, ignored=_IGNORED)
