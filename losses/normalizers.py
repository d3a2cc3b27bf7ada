"""What the losses divide by: means over groups of images, whatever the number of replicas."""

import tensorflow as tf


def mean_over_replicas(value: tf.Tensor) -> tf.Tensor:
  """Returns the mean of a replica's value over all replicas."""
  context = tf.distribute.get_replica_context()
  return context.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def shares(weights: tf.Tensor, images_per_group: int) -> tf.Tensor:
  """Returns what each image's weighted sum is multiplied by for a mean over groups of images.

  The global batch is the replicas' batches in their order; every `images_per_group` consecutive
  images are a group. A group's sum is divided by the group's weight, as a process with that many
  images does it, and the groups are averaged, each weighted by its number of images, as the
  processes' gradients are (official criterion.py under DistributedDataParallel).

  Args:
    weights: float32 [batch], the total weight in each image of this replica, >= 0.
    images_per_group: images that share a divisor; 0: all.

  Returns:
    float32 [batch], 0 for an image without weight. The loss is the replica's weighted sums times
    these, summed over its images and averaged over replicas.
  """
  if not images_per_group:
    share = tf.math.reciprocal_no_nan(mean_over_replicas(tf.reduce_sum(weights)))
    return tf.where(weights > 0, share, 0.0)
  context = tf.distribute.get_replica_context()
  batch = tf.shape(weights)[0]
  group = (context.replica_id_in_sync_group * batch + tf.range(batch)) // images_per_group
  num_groups = -(-batch * context.num_replicas_in_sync // images_per_group)
  weight = _group_sums(weights, group, num_groups)
  size = _group_sums(tf.ones_like(weights), group, num_groups)
  per_group = tf.math.divide_no_nan(size, weight * tf.cast(batch, tf.float32))
  return tf.where(weights > 0, tf.gather(per_group, group), 0.0)


def _group_sums(values: tf.Tensor, group: tf.Tensor, num_groups: tf.Tensor) -> tf.Tensor:
  """Sums of each group's values over all replicas, float32 [num_groups]."""
  own = tf.math.unsorted_segment_sum(values, group, num_groups)
  return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, own)
