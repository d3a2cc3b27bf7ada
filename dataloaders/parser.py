"""From a record to one example of a batch."""

import tensorflow as tf

from tf_maskformer.configs.data import Parser
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import augment
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import polygons
from tf_maskformer.dataloaders import targets


@tf.autograph.experimental.do_not_convert
def parse(record: tf.Tensor, is_real: tf.Tensor, seed: tf.Tensor, config: Parser, data_set: str
          ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
  """Decodes, augments and pads one record.

  Args:
    record: serialized tf.train.Example.
    is_real: bool; False for an example that only fills the last batch.
    seed: int32 [2], of the augmentation.
    config: sizes and augmentation.
    data_set: row of configs/datasets/catalog.py.

  Returns:
    (features, targets) without the batch axis; id_maps and image are padded to `output_size`, if there is one.
  """
  # A panoptic or semantic task gets no operation that calls Python.
  redraws = config.redraw_polygons and config.max_layers > 1 and not config.merge_classes
  example = decoder.decode(record, data_set, polygons_replace_maps=redraws)
  example['class'] = _checked_classes(example['class'], example['source_id'], data_set)
  if config.merge_classes:
    example.update(targets.merge_classes(example['id_maps'], example['class'], example['area']))
  original_size = tf.shape(example['image'])[:2]
  image, id_maps, placement = augment.augment(
      (example['image'], example['id_maps'], tf.constant(augment.UNMOVED, tf.float64)),
      config.augmentation, config.output_size, seed)
  size = tf.shape(image)[:2]
  outlined = None
  if redraws:
    id_maps, example['plane'], outlined = polygons.redraw(example, id_maps, placement)
  labels = targets.build(
      id_maps, example['class'], example['is_crowd'], example['plane'], example['area'], config, outlined)
  if config.output_size:
    height, width = config.output_size
    check = tf.debugging.assert_less_equal(
        size, config.output_size, message='an image is larger than parser.output_size; set '
        'parser.augmentation.short_edges and long_edge_limit so that it fits, or crop_to_output')
    with tf.control_dependencies([check]):
      image = tf.pad(image, [[0, height - size[0]], [0, width - size[1]], [0, 0]],
                     constant_values=max(config.padding_byte, 0))
    maps = tf.pad(labels['id_maps'], [[0, 0], [0, height - size[0]], [0, width - size[1]]])
    image = tf.ensure_shape(image, [height, width, 3])
    if config.padding_byte >= 0:
      size = tf.constant([height, width])  # the padding is part of the image
    labels['id_maps'] = tf.ensure_shape(maps, [config.max_layers, height, width])
  labels['valid'] &= is_real
  labels['id_maps'] *= tf.cast(is_real, labels['id_maps'].dtype)
  return ({'image': image, 'image_size': size},
          {**labels, 'example_id': decoder.example_id(example['source_id']), 'original_size': original_size,
           'is_real': is_real})


def _checked_classes(classes: tf.Tensor, source_id: tf.Tensor, data_set: str) -> tf.Tensor:
  num_classes = catalog.get(data_set).num_classes
  message = tf.strings.join(['image ', source_id, f' has a class outside 0 to {num_classes - 1}'])
  check = tf.debugging.Assert(tf.reduce_all((classes >= 0) & (classes < num_classes)), [message])
  with tf.control_dependencies([check]):
    return tf.identity(classes)
