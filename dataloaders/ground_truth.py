"""What the validation records say, at original size, for scoring on the host."""

import numpy as np
import tensorflow as tf

from configs import datasets
from configs.errors import UserError
from dataloaders import decoder
from dataloaders import files
from dataloaders import schema
from dataloaders.converters import coco_instances
from dataloaders.converters import shards


class GroundTruth:
  """Looks up a picture's segments by the example id that went through the device.

  Keeps where each record lies, not the records; a record is read and decoded when it is asked for.
  """

  def __init__(self, input_path: str, data_set: str, instance_annotations: str = ''):
    """Reads the records' ids.

    Args:
      input_path: the validation records.
      data_set: row of configs/datasets.py.
      instance_annotations: instances JSON that `instances` reads instead of the records.

    Raises:
      UserError: no records, a truncated file, two records with one source id, or one that the JSON lacks.
    """
    self._data_set, self._json = data_set, instance_annotations
    # A graph: operation by operation, decoding takes longer than scoring.
    self._decode = tf.function(
        lambda record: decoder.decode_segments(decoder.parse(record), data_set), autograph=False,
        input_signature=[tf.TensorSpec([], tf.string)])
    self._places = {}
    places = files.places(files.match(input_path))
    ids = tf.constant([_source_id(files.read(place)) for place in places])
    for example_id, place in zip(decoder.example_id(ids).numpy(), places):
      if int(example_id) in self._places:
        raise UserError(f'{input_path}: two records have one source id ({place.path}); every picture must be '
                        'there once; does the pattern mix two conversions?')
      self._places[int(example_id)] = place
    if datasets.get(data_set).instance_rule == 'cityscapes':
      self._require_void(places[0], input_path)
    self._annotated = None
    if instance_annotations:
      rows = coco_instances.Source('', instance_annotations, data_set).rows()
      self._annotated = {str(row['id']): row for row in rows}
      missing = {i.decode() for i in ids.numpy()} - set(self._annotated)
      if missing:
        raise UserError(f'task.evaluation.instance_annotations={instance_annotations} lacks {len(missing)} pictures of '
                        f'{input_path}, {min(missing)} for one; give the JSON of the same split')

  def __len__(self) -> int:
    return len(self._places)

  @property
  def example_ids(self) -> list[int]:
    """Ids of all records, in their order."""
    return list(self._places)

  def source_id(self, example_id: int) -> str:
    """Returns the picture's id in its data set."""
    return _source_id(files.read(self._places[example_id])).decode()

  def __getitem__(self, example_id: int) -> tuple[np.ndarray, list[dict]]:
    """Returns a picture's truth.

    Returns:
      id_map int32 [height, width], 0 = void, and the segments: dicts of id (the value in the map), category_id
      (contiguous class), iscrowd and area (as the annotation file states it).
    """
    found = self._segments(example_id)
    segments = [{'id': i + 1, 'category_id': int(c), 'iscrowd': int(crowd), 'area': int(area)}
                for i, (c, crowd, area) in enumerate(zip(found['class'], found['is_crowd'], found['area']))]
    return found['id_maps'].max(axis=2).astype(np.int32), segments

  def _segments(self, example_id: int) -> dict[str, np.ndarray]:
    record = tf.constant(files.read(self._places[example_id]))
    return {name: value.numpy() for name, value in self._decode(record).items()}

  def instances(self, example_id: int) -> list[dict]:
    """Returns every segment of a picture with its whole mask: category_id, iscrowd, area, mask bool [height, width]."""
    if self._annotated is not None:
      return self._annotated_instances(self._annotated[self.source_id(example_id)])
    found = self._segments(example_id)
    return [{'category_id': int(found['class'][i]), 'iscrowd': bool(found['is_crowd'][i]),
             'area': int(found['area'][i]), 'mask': found['id_maps'][:, :, found['layer'][i]] == i + 1}
            for i in range(len(found['class']))]

  def _annotated_instances(self, row: dict) -> list[dict]:
    classes, size = datasets.get(self._data_set).contiguous_ids, (row['height'], row['width'])
    try:
      return [{'category_id': classes[i['category_id']], 'iscrowd': bool(i['iscrowd']), 'area': i['area'],
               'mask': coco_instances.rasterize(i, size, self._json)} for i in row['instances']]
    except shards.Refused as e:
      raise UserError(f'task.evaluation.instance_annotations cannot be used: {e}') from e

  def _require_void(self, place: files.Place, input_path: str) -> None:
    """Of things alone what is void cannot be told from what is stuff, unless the records say so."""
    row = datasets.get(self._data_set)
    says = decoder.parse(tf.constant(files.read(place)))['image/void'].numpy()
    if len(row.thing_classes) == row.num_classes and not says:
      raise UserError(f"{input_path} does not say which pixels are void, which Cityscapes' AP needs; convert again: "
                      f'scripts/prepare_data.py cityscapes --data_set {self._data_set} --targets pixels')

  def void(self, example_id: int) -> np.ndarray:
    """Returns the pixels that no score counts, bool [height, width]: what the record says, or what no segment has."""
    parsed = decoder.parse(tf.constant(files.read(self._places[example_id])))
    if parsed['image/void'].numpy():
      return schema.decode_id_map(parsed['image/void'].numpy()) > 0
    return self[example_id][0] == 0

  def picture(self, example_id: int) -> np.ndarray:
    """Returns the picture, uint8 [height, width, 3]."""
    return decoder.decode(tf.constant(files.read(self._places[example_id])), self._data_set)['image'].numpy()


def _source_id(record: bytes) -> bytes:
  """Returns a serialized record's source id; the file name where it has none."""
  features = tf.train.Example.FromString(record).features.feature
  for key in ('image/source_id', 'image/filename'):
    values = features[key].bytes_list.value
    if values and values[0]:
      return values[0]
  raise UserError('a record has neither image/source_id nor image/filename; convert the data set again')
