"""Salts of dropout and stochastic depth: numbers that tell the places in a model apart.

A place's pattern is a function of the step's seed and of its salt, so the ranges must not overlap,
and a changed salt would change what a seeded training does.
"""

PER_LAYER = 8  # places with dropout in a transformer layer, rounded up
PER_BLOCK = 2  # of a backbone: its two residual branches

_DECODER = 0
_BACKBONE = 2000
_ENCODER = 8000


def decoder_layer(index: int) -> int:
  """Returns the first salt of a transformer decoder's layer."""
  return _DECODER + PER_LAYER * index


def backbone_block(index: int) -> int:
  """Returns the first salt of a backbone's block, counted through all stages."""
  return _BACKBONE + PER_BLOCK * index


def encoder_layer(index: int) -> int:
  """Returns the first salt of a pixel decoder's transformer encoder layer."""
  return _ENCODER + PER_LAYER * index
