"""What the losses divide by: over how many images a mean is taken, whatever the number of replicas."""

import tensorflow as tf


def mean_over_replicas(value: tf.Tensor) -> tf.Tensor:
  """Returns the mean of a replica's value over all replicas."""
  context = tf.distribute.get_replica_context()
  return context.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def shares(weights: tf.Tensor, images_per_group: int) -> tf.Tensor:
  """Returns what each image's weighted sum is multiplied by, so that the sum over images is a mean over groups.

  The images of the global batch stand in the order of the replicas; each `images_per_group` that follow each other are
  a group. Within a group the sum is divided by the group's weight, as a process with that many images does it, and the
  groups are averaged, each by its number of images, as the processes' gradients are (official criterion.py under
  DistributedDataParallel).

  Args:
    weights: float32 [batch], the total weight in each image of this replica, >= 0.
    images_per_group: images that share a divisor; 0: all.

  Returns:
    float32 [batch]; times the replica's weighted sums, summed over its images, averaged over replicas, it is the loss.
    0 for an image without weight.
  """
  context = tf.distribute.get_replica_context()
  replicas = context.num_replicas_in_sync
  batch = tf.shape(weights)[0]
  if not images_per_group:
    share = tf.math.reciprocal_no_nan(mean_over_replicas(tf.reduce_sum(weights)))
    return tf.where(weights > 0, share, 0.0)
  group = (context.replica_id_in_sync_group * batch + tf.range(batch)) // images_per_group
  num_groups = -(-batch * replicas // images_per_group)
  def over_replicas(values):
    total = tf.math.unsorted_segment_sum(values, group, num_groups)
    return context.all_reduce(tf.distribute.ReduceOp.SUM, total)
  weight, size = over_replicas(weights), over_replicas(tf.ones_like(weights))
  per_group = tf.math.divide_no_nan(size, weight * tf.cast(batch, tf.float32))
  return tf.where(weights > 0, tf.gather(per_group, group), 0.0)
