"""What a validation record says of itself, read without decoding an image."""

import dataclasses

import tensorflow as tf
from google.protobuf import message

from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage


@dataclasses.dataclass(frozen=True)
class Facts:
  """Facts of one record.

  Attributes:
    source_id: the image's id in its data set; its file name where the record has none.
    file_name: of the image, '' where the record does not say.
    knows_crowds: whether it can mark a segment as a crowd; Model Garden's converter cannot.
    knows_instances: whether it holds the instances along with the panoptic segments.
    repeats_a_class: whether two of its segments have one class, so that they are not a semantic
      label.
  """
  source_id: str
  file_name: str
  knows_crowds: bool
  knows_instances: bool
  repeats_a_class: bool


def of(record: bytes) -> Facts:
  """Returns the facts of a serialized record.

  Raises:
    UnusableImage: it is not an Example, or has neither a source id nor a file name.
  """
  try:
    features = tf.train.Example.FromString(record).features.feature
  except message.DecodeError as e:
    raise UnusableImage('it is not a tf.train.Example') from e
  source_id = _text(features, 'image/source_id')
  file_name = _text(features, 'image/filename')
  if not source_id and not file_name:
    raise UnusableImage('it has neither image/source_id nor image/filename')
  is_own = 'image/id_maps' in features
  classes = list(features['segments/class'].int64_list.value) if is_own else []
  return Facts(
      source_id=source_id or file_name,
      file_name=file_name,
      knows_crowds=is_own,
      knows_instances=schema.INSTANCE_CLASS in features,
      repeats_a_class=not is_own or len(set(classes)) < len(classes))


def _text(features, key: str) -> str:
  """Returns a feature as text, '' without it."""
  values = features[key].bytes_list.value if key in features else []
  try:
    return values[0].decode() if values else ''
  except UnicodeDecodeError as e:
    raise UnusableImage(f'its {key} is not UTF-8') from e
