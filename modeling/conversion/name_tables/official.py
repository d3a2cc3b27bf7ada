"""Names in the files of the official code itself, and in ImageNet files that its tools make."""

from tf_maskformer.modeling.conversion.name_tables.grammar import NameTable
from tf_maskformer.modeling.conversion.name_tables.grammar import Rules

_BACKBONE: Rules = [(r'(backbone\..*)', '{0}')]
# Before version 2 of the head its pixel decoder had no name of its own; the official reader inserts
# it, into names that have it too, so any number of times is taken as one.
_MODEL: Rules = [
    *_BACKBONE,
    # Mask2Former's first version.
    (r'sem_seg_head\.predictor\.static_query\.(.*)', 'sem_seg_head.predictor.query_feat.{0}'),
    (r'(sem_seg_head\.predictor\..*)', '{0}'),
    (r'sem_seg_head\.(?:pixel_decoder\.)*'
     r'((?:adapter_|layer_|mask_features\.|input_proj\.|transformer\.).*)',
     'sem_seg_head.pixel_decoder.{0}'),
]

MODEL = NameTable('official MaskFormer', (r'backbone\..*', r'sem_seg_head\..*'), _MODEL)
BACKBONE = NameTable('official backbone', (r'backbone\..*',), _BACKBONE)
