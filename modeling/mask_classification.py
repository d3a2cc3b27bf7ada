"""The mask classification model: backbone, pixel decoder, transformer decoder with heads."""

import tensorflow as tf
import tf_keras


class MaskClassificationModel(tf_keras.Model):
  """Assembles the three parts; their attribute names follow the official checkpoints.

  `model(images, training=False, seed=None, last_layer_only=False)`:
    images: float32 [batch, height, width, 3], normalized (`ops.image.normalize`), any size.
    training: whether trained batch norms use the batch's statistics, and what only a loss needs is returned.
    seed: int32 [2], of dropout and stochastic depth: one for each step and replica. None: neither.
    last_layer_only: leave out what only the losses need; layers is 1 then.
  returns:
    class_logits: float32 [layers, batch, queries, classes + 1], the last class is no-object.
    mask_logits: float32 [layers, batch, queries, height / 4, width / 4], sizes rounded up.
    in training also mask_embeddings [layers, batch, queries, channels] and mask_features [batch, height / 4,
      width / 4, channels], whose product mask_logits is (not of PerPixelBaseline).
    Layers in order; the last is the prediction. A per-pixel model has no class_logits, and its queries are the classes.
  """

  def __init__(self, backbone: tf_keras.layers.Layer, pixel_decoder: tf_keras.layers.Layer,
               predictor: tf_keras.layers.Layer, name: str = 'mask_classification'):
    super().__init__(name=name)
    self.backbone = backbone
    self.pixel_decoder = pixel_decoder
    self.predictor = predictor
    self.built = True  # every part made its weights when it was made

  def call(self, images, training=False, seed=None, last_layer_only=False):
    images = tf.cast(images, self.compute_dtype)
    features = self.backbone(images, training=training, seed=seed)
    pixel = self.pixel_decoder(features, seed=seed)
    return self.predictor(pixel, training=training, seed=seed, last_layer_only=last_layer_only)
