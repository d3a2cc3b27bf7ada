"""The task that trains and evaluates mask classification models: the set loss."""

import tensorflow as tf

from tf_maskformer.configs.losses import PointLosses
from tf_maskformer.configs.task import MaskClassification
from tf_maskformer.configs.task import PointMaskClassification
from tf_maskformer.configs.task import Runtime
from tf_maskformer.losses.point_set_loss import PointSetLoss
from tf_maskformer.losses.set_loss import TERMS
from tf_maskformer.losses.set_loss import Normalizers
from tf_maskformer.losses.set_loss import SetLoss
from tf_maskformer.ops import shape as shape_ops
from tf_maskformer.tasks.segmentation import SegmentationTask


class MaskClassificationTask(SegmentationTask):
  """MaskFormer and Mask2Former: queries are matched to targets.

  Every prediction has a class, a mask and a dice term.
  """

  def __init__(self, params: MaskClassification | PointMaskClassification,
               runtime: Runtime | None = None, logging_dir: str | None = None,
               name: str | None = None, train_steps: int | None = None):
    """Makes the task; see `SegmentationTask`."""
    super().__init__(params, runtime, logging_dir, name, train_steps)
    is_compiled = self._runtime.jit_compile or self._runtime.distribution_strategy == 'tpu'
    in_graph = {'graph': True, 'host': False, 'auto': is_compiled}[params.losses.matcher]
    make = PointSetLoss if isinstance(params.losses, PointLosses) else SetLoss
    self.set_loss = make(params.losses, params.model.num_classes, in_graph=in_graph)

  def normalizers(self, targets) -> Normalizers:
    return self.set_loss.normalizers(targets, self.task_config.model.num_queries)

  def normalizers_of(self, normalizers: Normalizers, index: tf.Tensor) -> Normalizers:
    return normalizers._replace(class_shares=tf.gather(normalizers.class_shares, index))

  def losses(self, outputs, targets, normalized_by, seed=None
             ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns the weighted total and every term, unweighted and weighted, by name."""
    query_index = self.set_loss.match(outputs, targets, seed)
    terms = self.set_loss.terms(outputs, targets, query_index, normalized_by, seed)
    logs = {}
    for term in TERMS:
      logs[f'{term}_loss'] = tf.reduce_sum(terms[term])
      for layer, value in enumerate(tf.unstack(terms[term])):
        logs[f'{term}_loss/layer_{layer}'] = value
        logs[f'weighted_{term}_loss/layer_{layer}'] = self.set_loss.weights[term] * value
    return self.set_loss.weigh(terms), logs

  def loss_names(self) -> list[str]:
    names = [f'{term}_loss' for term in TERMS]
    for kind in ('', 'weighted_'):
      for term in TERMS:
        names += [f'{kind}{term}_loss/layer_{i}' for i in range(self.num_predictions())]
    return names

  def losses_of_images(self, outputs, targets) -> tf.Tensor:
    def of_image(i):
      own_outputs = {name: tf.gather(value, [i], axis=1) for name, value in outputs.items()}
      own_targets = {name: tf.gather(value, [i]) for name, value in targets.items()}
      alone = self.set_loss.normalizers_alone(own_targets, self.task_config.model.num_queries)
      query_index = self.set_loss.match(own_outputs, own_targets)
      return self.set_loss.weigh(self.set_loss.terms(own_outputs, own_targets, query_index, alone))
    images = tf.range(shape_ops.batch_size(targets['classes']))
    # A loop in the graph: unrolled, the graph of a batch took longer to trace than a small set to
    # score.
    return tf.map_fn(of_image, images, fn_output_signature=tf.float32, parallel_iterations=1)
