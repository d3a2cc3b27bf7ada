"""From a record to one example of a batch."""

import tensorflow as tf

from tf_maskformer.configs.data import ParserConfig
from tf_maskformer.dataloaders import augment
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import polygons
from tf_maskformer.dataloaders import targets


def calls_python(config: ParserConfig) -> bool:
  """Whether `parse` calls Python, so that it runs in this process only.

  A panoptic or semantic task gets no such operation.
  """
  return config.redraw_polygons and config.max_layers > 1 and not config.merge_classes


@tf.autograph.experimental.do_not_convert
def parse(record: tf.Tensor, is_real: tf.Tensor, seed: tf.Tensor, config: ParserConfig,
          data_set: str) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
  """Decodes, augments and pads one record.

  Args:
    record: serialized tf.train.Example.
    is_real: bool; False for an example that only fills the last batch.
    seed: int32 [2], of the augmentation.
    config: sizes and augmentation.
    data_set: see `catalog.get`.

  Returns:
    (features, targets) as of `reader.build`, without the batch axis; id_maps and image are padded
    to `output_size`, if there is one.
  """
  redraws = calls_python(config)
  example = decoder.decode(record, data_set, polygons_replace_maps=redraws)
  if config.merge_classes:
    example.update(targets.merge_classes(example['id_maps'], example['class'], example['area']))
  sample = augment.unmoved(example['image'], example['id_maps'])
  image, id_maps, placement = augment.augment(
      sample, config.augmentation, config.output_size, seed)
  outlined = None
  if redraws:
    id_maps, example['plane'], outlined = polygons.redraw(
        example, id_maps, placement, config.max_layers)
  labels = targets.build(
      id_maps, example['class'], example['is_crowd'], example['plane'], example['area'], config,
      outlined)
  features = {'image': image, 'image_size': tf.shape(image)[:2]}
  if config.output_size:
    features, labels['id_maps'] = _pad(image, labels['id_maps'], config)
  labels['valid'] &= is_real
  labels['id_maps'] *= tf.cast(is_real, labels['id_maps'].dtype)
  labels['example_id'] = decoder.example_id(example['source_id'])
  labels['original_size'] = tf.shape(example['image'])[:2]
  labels['is_real'] = is_real
  return features, labels


def _pad(image: tf.Tensor, id_maps: tf.Tensor, config: ParserConfig
         ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
  """Pads below and to the right, to `output_size`.

  Args:
    image: uint8 [height, width, 3].
    id_maps: integers [planes, height, width].
    config: sizes.

  Returns:
    Features image and image_size, and the id maps.
  """
  height, width = config.output_size
  size = tf.shape(image)[:2]
  check = tf.debugging.assert_less_equal(
      size, config.output_size, message='an image is larger than parser.output_size; set '
      'parser.augmentation.short_edges and long_edge_limit so that it fits, or crop_to_output')
  below = [0, height - size[0]]
  right = [0, width - size[1]]
  with tf.control_dependencies([check]):
    image = tf.pad(image, [below, right, [0, 0]], constant_values=max(config.padding_byte, 0))
  id_maps = tf.pad(id_maps, [[0, 0], below, right])
  if config.padding_byte >= 0:
    size = tf.constant([height, width])  # the padding is part of the image
  features = {'image': tf.ensure_shape(image, [height, width, 3]), 'image_size': size}
  return features, tf.ensure_shape(id_maps, [config.max_layers, height, width])
