"""What the validation records say, at original size, for scoring on the host."""

import numpy as np
import tensorflow as tf

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import record_facts
from tf_maskformer.dataloaders import record_files
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.preparation import coco_instances
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.dataloaders.semantic_labels import SemanticLabels
from tf_maskformer.errors import UserError


class GroundTruth:
  """Looks up an image's segments by the example id that went through the device.

  Keeps where each record lies, not the records; a record is read and decoded when it is asked for.

  Attributes:
    instance_source: what `instances` returns: the 'annotations' given, the 'instances' of the
      records, or their 'segments'.
    has_labels: whether `labels` can be asked for.
    knows_crowds: whether the records can mark crowds.
    repeats_a_class: whether a record holds two segments of one class, so that the records were not
      made from semantic labels.
  """

  def __init__(self, input_path: str, data_set: str, instance_annotations: str = '',
               semantic_labels: str = ''):
    """Reads the records' ids.

    Args:
      input_path: the validation records.
      data_set: row of configs/datasets/catalog.py.
      instance_annotations: instances JSON that `instances` reads instead of the records.
      semantic_labels: folder of label PNGs that `labels` reads.

    Raises:
      UserError: no records, a truncated file, two records with one source id, or one that the JSON
        or the folder lacks; records with and without instances together.
    """
    self._data_set, self._json = data_set, instance_annotations
    # A graph: operation by operation, decoding takes longer than scoring.
    self._decode = tf.function(
        lambda record: decoder.decode_segments(decoder.parse(record), data_set), autograph=False,
        input_signature=[tf.TensorSpec([], tf.string)])
    self._places = {}
    places = record_files.places(record_files.match(input_path))
    facts = [record_facts.of(record_files.read(place)) for place in places]
    ids = tf.constant([fact.source_id for fact in facts])
    for example_id, place in zip(decoder.example_id(ids).numpy(), places):
      if int(example_id) in self._places:
        raise UserError(f'{input_path}: two records have one source id ({place.path}); every image must be '
                        'there once; does the pattern mix two conversions?')
      self._places[int(example_id)] = place
    if catalog.get(data_set).instance_rule == 'cityscapes':
      self._require_void(places[0], input_path)
    self.knows_crowds = all(fact.knows_crowds for fact in facts)
    self.repeats_a_class = any(fact.repeats_a_class for fact in facts)
    self.instance_source = _instance_source(facts, instance_annotations, input_path)
    self.has_labels = bool(semantic_labels)
    if self.has_labels:
      images = [(fact.source_id, fact.file_name) for fact in facts]
      self._labels = SemanticLabels(semantic_labels, data_set, images, input_path)
    self._annotated = None
    if instance_annotations:
      rows = coco_instances.Source('', instance_annotations, data_set).rows()
      self._annotated = {str(row['id']): row for row in rows}
      missing = {i.decode() for i in ids.numpy()} - set(self._annotated)
      if missing:
        raise UserError(f'task.evaluation.instance_annotations={instance_annotations} lacks {len(missing)} images of '
                        f'{input_path}, {min(missing)} for one; give the JSON of the same split')

  def __len__(self) -> int:
    return len(self._places)

  @property
  def example_ids(self) -> list[int]:
    """Ids of all records, in their order."""
    return list(self._places)

  def source_id(self, example_id: int) -> str:
    """Returns the image's id in its data set."""
    return record_facts.of(record_files.read(self._places[example_id])).source_id

  def __getitem__(self, example_id: int) -> tuple[np.ndarray, list[dict]]:
    """Returns an image's truth.

    Returns:
      id_map int32 [height, width], 0 = void, and the segments: dicts of id (the value in the map), category_id
      (contiguous class), iscrowd and area (as the annotation file states it).
    """
    found = self._segments(example_id)
    segments = [{'id': i + 1, 'category_id': int(c), 'iscrowd': int(crowd), 'area': int(area)}
                for i, (c, crowd, area) in enumerate(zip(found['class'], found['is_crowd'], found['area']))]
    return found['id_maps'].max(axis=2).astype(np.int32), segments

  def _segments(self, example_id: int) -> dict[str, np.ndarray]:
    record = tf.constant(record_files.read(self._places[example_id]))
    return {name: value.numpy() for name, value in self._decode(record).items()}

  def instances(self, example_id: int) -> list[dict]:
    """Returns what AP is measured against, see `instance_source`.

    Returns:
      Dicts of category_id (class), iscrowd, area and mask (bool [height, width], the whole mask).
    """
    if self._annotated is not None:
      return self._annotated_instances(self._annotated[self.source_id(example_id)])
    if self.instance_source == 'instances':
      known = schema.read_instances(record_files.read(self._places[example_id]))
      return [{'category_id': i.class_id, 'iscrowd': i.is_crowd, 'area': i.area, 'mask': i.mask}
              for i in known]
    found = self._segments(example_id)
    return [{'category_id': int(found['class'][i]), 'iscrowd': bool(found['is_crowd'][i]),
             'area': int(found['area'][i]), 'mask': found['id_maps'][:, :, found['plane'][i]] == i + 1}
            for i in range(len(found['class']))]

  def _annotated_instances(self, row: dict) -> list[dict]:
    classes, size = catalog.get(self._data_set).contiguous_ids, (row['height'], row['width'])
    try:
      return [{'category_id': classes[i['category_id']], 'iscrowd': bool(i['iscrowd']), 'area': i['area'],
               'mask': coco_instances.rasterize(i, size, self._json)} for i in row['instances']]
    except shards.Refused as e:
      raise UserError(f'task.evaluation.instance_annotations cannot be used: {e}') from e

  def _require_void(self, place: record_files.Place, input_path: str) -> None:
    """Of things alone what is void cannot be told from what is stuff, unless the records say so."""
    row = catalog.get(self._data_set)
    says = decoder.parse(tf.constant(record_files.read(place)))['image/void'].numpy()
    if len(row.thing_classes) == row.num_classes and not says:
      raise UserError(f"{input_path} does not say which pixels are void, which Cityscapes' AP needs; convert again: "
                      f'scripts/prepare_data.py cityscapes --data_set {self._data_set} --targets pixels')

  def void(self, example_id: int) -> np.ndarray:
    """Returns the pixels that no score counts, bool [height, width]: what the record says, or what no segment has."""
    parsed = decoder.parse(tf.constant(record_files.read(self._places[example_id])))
    if parsed['image/void'].numpy():
      return schema.decode_id_map(parsed['image/void'].numpy()) > 0
    return self[example_id][0] == 0

  def labels(self, example_id: int, size: tuple[int, int]) -> np.ndarray:
    """Returns the classes of an image's label, whole numbers [height, width], -1 where void.

    Args:
      example_id: of the image.
      size: its (height, width).

    Raises:
      UserError: the label cannot be used; see `SemanticLabels.read`.
    """
    return self._labels.read(self.source_id(example_id), size)

  def cityscapes_values(self, example_id: int) -> np.ndarray:
    """Returns what *_instanceIds.png holds at each segment: 1000 * label id + number.

    Returns:
      int64 [segments]; 0 of what is no single instance, and of all segments of records that do not
      tell instances apart.
    """
    parsed = decoder.parse(tf.constant(record_files.read(self._places[example_id])))
    values, classes = parsed['segments/id'].numpy(), parsed['segments/class'].numpy()
    class_of = catalog.get(self._data_set).contiguous_ids
    own = [class_of.get(int(value) // 1000) == class_id for value, class_id in zip(values, classes)]
    return np.where(own, values, 0)

  def image(self, example_id: int) -> np.ndarray:
    """Returns the image, uint8 [height, width, 3]."""
    return decoder.decode(tf.constant(record_files.read(self._places[example_id])), self._data_set)['image'].numpy()


def _instance_source(facts: list[record_facts.Facts], annotations: str, input_path: str) -> str:
  """Returns what `GroundTruth.instance_source` says."""
  if annotations:
    return 'annotations'
  known = [fact.knows_instances for fact in facts]
  if any(known) and not all(known):
    raise UserError(
        f'{input_path}: {known.count(False)} of {len(known)} records lack the instances that AP is '
        'measured against, so two conversions are mixed; name one of them')
  return 'instances' if all(known) else 'segments'
