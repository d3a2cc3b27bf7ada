"""The mask classification model: backbone, pixel decoder, transformer decoder with heads."""

from typing import Any

import tensorflow as tf
import tf_keras

from tf_maskformer.configs.optimization import AdamW


class MaskClassificationModel(tf_keras.Model):
  """Assembles the three parts; their attribute names follow the official checkpoints.

  `model(images, training=False, seed=None, last_layer_only=False, progress=None)`:
    images: float32 [batch, height, width, 3], normalized (`ops.image.normalize`), any size.
    training: whether trained batch norms use the batch's statistics, and what only a loss needs is
      returned.
    seed: int32 [2], of dropout and stochastic depth, a different one for each step and replica.
      None: neither.
    last_layer_only: leave out what only the losses need; `layers` is 1 then.
    progress: float32 scalar in 0 .. 1, the share of the training that is done, for parts that
      change in the course of it. None outside of a training: its end.
  returns:
    class_logits: float32 [layers, batch, queries, classes + 1], the last class is no-object.
    mask_logits: float32 [layers, batch, queries, height / 4, width / 4], sizes rounded up.
    in training also mask_embeddings [layers, batch, queries, channels] and mask_features, whose
      product mask_logits is (not of PerPixelBaseline). mask_features is [batch, height / 4,
      width / 4, channels] where all predictions share them, and [layers, batch, height / 4,
      width / 4, channels] where each has its own.
    `layers` are the predictions, one after another; the last is the model's prediction. A per-pixel
    model has no class_logits, and its queries are the classes.

  Attributes:
    parts: names of the parts, as `task.init_checkpoint_modules` knows them.
    class_tensors: official names of the tensors with a row per class; of those with one more, the
      last is that of no-object.
    query_tensors: official names of the tensors with a row per query, where that is not a class.
  """
  parts = ('backbone', 'pixel_decoder', 'predictor')

  def __init__(self, backbone: tf_keras.layers.Layer, pixel_decoder: tf_keras.layers.Layer,
               predictor: tf_keras.layers.Layer, name: str = 'mask_classification'):
    super().__init__(name=name)
    self.backbone = backbone
    self.pixel_decoder = pixel_decoder
    self.predictor = predictor
    self.built = True  # every part made its weights when it was made

  def call(self, images, training=False, seed=None, last_layer_only=False, progress=None):
    images = tf.cast(images, self.compute_dtype)
    features = self.backbone(images, training=training, seed=seed)
    pyramid = self.pixel_decoder(features, seed=seed)
    return self.predictor(
        pyramid, training=training, seed=seed, last_layer_only=last_layer_only, progress=progress)

  @property
  def class_tensors(self) -> tuple[str, ...]:
    return tuple(f'sem_seg_head.predictor.{name}' for name in self.predictor.CLASS_TENSORS)

  @property
  def query_tensors(self) -> tuple[str, ...]:
    return tuple(f'sem_seg_head.predictor.{name}' for name in self.predictor.QUERY_TENSORS)

  def undecayed_variables(self) -> list[tf.Variable]:
    """Returns the trainable variables without weight decay: what layers name as `UNDECAYED`.

    These are norms, embeddings and position biases; all others decay, biases too (official
    optimizer groups).
    """
    trainable = {v.ref() for v in self.trainable_variables}
    named = [getattr(layer, name) for layer in self.submodules
             for name in getattr(layer, 'UNDECAYED', ())]
    return [v for v in named if v.ref() in trainable]

  def rate_multipliers(self, config: AdamW) -> dict[Any, float]:
    """Returns what learning rates are multiplied by, from `variable.ref()` to the multiplier.

    Args:
      config: of the optimizer; its backbone_multiplier is that of the backbone's variables.
    """
    return {v.ref(): config.backbone_multiplier for v in self.backbone.trainable_variables}
