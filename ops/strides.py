"""Strides that several parts of the model, its losses and its post-processing agree on."""

MASK_STRIDE = 4  # of mask features and mask logits, in pixels of the model's input
