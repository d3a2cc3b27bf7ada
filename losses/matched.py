"""The predicted masks that have a target, in two forms.

In the graph: the mask of every slot, with weight 0 where the slot has no match, so that shapes are
static. On the host: the masks of the slots with a match only, fewer, but known at run time only.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_maskformer.ops import masks as mask_ops
from tf_maskformer.ops import shape as shape_ops


class Matched(NamedTuple):
  """Matched masks of all predictions, one prediction after the other, each with as many.

  Attributes:
    logits: float32 [n, h, w].
    weight: float32 [n], 1, or 0 for a slot without a match.
    prediction: int32 [n].
    image: int32 [n], index into the batch.
    slot: int32 [n], of the target.
  """
  logits: tf.Tensor
  weight: tf.Tensor
  prediction: tf.Tensor
  image: tf.Tensor
  slot: tf.Tensor


def of_every_slot(outputs: dict[str, tf.Tensor], query_index: tf.Tensor) -> Matched:
  """Returns the masks of all slots, `query_index` int32 [predictions, batch, segments]."""
  of_slots = logits_of(outputs, tf.maximum(query_index, 0))
  logits = tf.reshape(of_slots, [-1, *shape_ops.sizes(of_slots)[3:]])
  weight = tf.cast(tf.reshape(query_index >= 0, [-1]), tf.float32)
  axes = [tf.range(size) for size in shape_ops.sizes(query_index)]
  where = [tf.reshape(index, [-1]) for index in tf.meshgrid(*axes, indexing='ij')]
  # A slot without a match weighs nothing; set to zero first, so that no NaN comes back from it.
  logits = tf.where(weight[:, None, None] > 0, logits, 0.0)
  return Matched(logits, weight, *where)


def of_matched_slots(outputs: dict[str, tf.Tensor], query_index: tf.Tensor) -> Matched:
  """Returns the masks of the slots with a match, `query_index` as of `of_every_slot`."""
  of_slots = logits_of(outputs, tf.maximum(query_index, 0))
  where = tf.cast(tf.where(query_index >= 0), tf.int32)
  weight = tf.ones([tf.shape(where)[0]])
  return Matched(tf.gather_nd(of_slots, where), weight, *tf.unstack(where, axis=1))


def by_prediction(matched: Matched, predictions: int) -> list[Matched]:
  """Returns the masks of each prediction."""
  fields = []
  for field in matched:
    rest = shape_ops.sizes(field)[1:]
    fields.append(tf.unstack(tf.reshape(field, [predictions, -1, *rest])))
  return [Matched(*own) for own in zip(*fields)]


def used_slots(targets: dict[str, tf.Tensor]) -> tf.Tensor:
  """Returns the number of slots that any image uses, int32; slots are filled from the first."""
  return tf.reduce_max(tf.reduce_sum(tf.cast(targets['valid'], tf.int32), axis=1))


def of_prediction(outputs: dict[str, tf.Tensor], i: int) -> dict[str, tf.Tensor]:
  """Returns the outputs of one prediction, the first axis of which is 1."""
  def is_shared(name):
    return name == 'mask_features' and outputs[name].shape.rank == 4
  return {name: value if is_shared(name) else value[i:i + 1] for name, value in outputs.items()}


def logits_of(outputs: dict[str, tf.Tensor], query: tf.Tensor | None = None) -> tf.Tensor:
  """Mask logits of some queries.

  Args:
    outputs: the model's; with mask_embeddings and mask_features the logits are made from these.
    query: int32 [predictions, batch, n]; None: all queries.

  Returns:
    float32 [predictions, batch, n, h, w].
  """
  name = 'mask_embeddings' if 'mask_embeddings' in outputs else 'mask_logits'
  chosen = outputs[name]
  if query is not None:
    chosen = tf.gather(chosen, query, batch_dims=2)
  if name == 'mask_logits':
    return chosen
  return mask_ops.mask_logits(chosen, outputs['mask_features'])
