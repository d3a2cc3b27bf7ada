"""What the validation records say, at original size, for scoring on the host."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import annotations
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders import record_facts
from tf_maskformer.dataloaders import record_files
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.record_files import RecordOffset
from tf_maskformer.dataloaders.semantic_labels import SemanticLabels

_CITYSCAPES_PER_CLASS = 1000  # *_instanceIds.png holds 1000 * label id + number
_ADVICE = 'convert the data set again with tf-maskformer prepare'
# Features that are looked at without the segments.
_NEEDED = (
    'image/encoded', 'image/height', 'image/width', 'image/void', 'segments/id', 'segments/class')


class GroundTruth:
  """Looks up an image's segments by the example id that was part of the batch.

  Keeps where each record is, not the records; a record is read and decoded when it is asked for.

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
      data_set: see `catalog.get`.
      instance_annotations: instances JSON that `instances` reads instead of the records.
      semantic_labels: folder of label PNGs that `labels` reads.

    Raises:
      UserError: there are no records, a file is truncated, two records have one source id, or the
        JSON or the folder does not have one; records with and without instances are mixed.
    """
    self._data_set = catalog.get(data_set)
    self._json = instance_annotations
    self._parse = _parser(data_set)
    self._decode = _segments_decoder(data_set)
    # Every score of an image asks for its segments.
    self._last: tuple[int, dict[str, np.ndarray]] | None = None
    offsets = record_files.record_offsets(record_files.match(input_path))
    facts = _facts(offsets)
    source_ids = [fact.source_id for fact in facts]
    self._offsets = _by_example_id(source_ids, offsets)
    self._source_ids = dict(zip(self._offsets, source_ids))
    self._file_names = dict(zip(self._offsets, (fact.file_name for fact in facts)))
    if self._data_set.instance_rule == 'cityscapes':
      self._require_void(input_path)
    self.knows_crowds = all(fact.knows_crowds for fact in facts)
    self.repeats_a_class = any(fact.repeats_a_class for fact in facts)
    self.instance_source = _instance_source(facts, offsets, instance_annotations)
    self.has_labels = bool(semantic_labels)
    if self.has_labels:
      images = [(fact.source_id, fact.file_name) for fact in facts]
      self._labels = SemanticLabels(semantic_labels, data_set, images, input_path)
    self._annotated = None
    if instance_annotations:
      self._annotated = _read_annotated(instance_annotations, data_set, source_ids, input_path)

  def __len__(self) -> int:
    return len(self._offsets)

  @property
  def example_ids(self) -> list[int]:
    """Ids of all records, in their order."""
    return list(self._offsets)

  def _record(self, example_id: int) -> bytes:
    return record_files.read(self._offsets[example_id])

  def source_id(self, example_id: int) -> str:
    """Returns the image's id in its data set."""
    return self._source_ids[example_id]

  def file_name(self, example_id: int) -> str:
    """Returns the name of the image's file, '' where the record does not say."""
    return self._file_names[example_id]

  def size(self, example_id: int) -> tuple[int, int]:
    """Returns (height, width) of the image."""
    features = self._features(example_id)
    return int(features['image/height']), int(features['image/width'])

  def _features(self, example_id: int) -> dict[str, tf.Tensor]:
    """Returns the features of a record, nothing decoded."""
    record = self._record(example_id)
    with _naming(self._offsets[example_id]):
      return self._parse(record)

  def __getitem__(self, example_id: int) -> tuple[np.ndarray, list[dict[str, int]]]:
    """Returns an image's truth.

    Returns:
      id_map int32 [height, width], 0 = void, and the segments: dicts of id (the value in the map),
      category_id (contiguous class), iscrowd and area (as the annotation file states it).

    Raises:
      UserError: the record cannot be used; so do all methods that read it.
    """
    found = self._segments(example_id)
    segments = []
    for i, class_id in enumerate(found['class']):
      segments.append({
          'id': i + 1,
          'category_id': int(class_id),
          'iscrowd': int(found['is_crowd'][i]),
          'area': int(found['area'][i]),
      })
    return found['id_maps'].max(axis=2).astype(np.int32), segments

  def _segments(self, example_id: int) -> dict[str, np.ndarray]:
    """Returns the segments of a record; they are not to be changed."""
    last = self._last
    if last is None or last[0] != example_id:
      record = self._record(example_id)
      with _naming(self._offsets[example_id]):
        decoded = self._decode(record)
        last = (example_id, {name: value.numpy() for name, value in decoded.items()})
      self._last = last
    return last[1]

  def instances(self, example_id: int) -> list[dict[str, Any]]:
    """Returns what AP is measured against, see `instance_source`.

    Returns:
      dicts of category_id (class), iscrowd, area and mask (bool [height, width], the full mask).

    Raises:
      UserError: an instance of the JSON has no mask.
    """
    if self._annotated is not None:
      return self._annotated_instances(example_id, self._annotated[self.source_id(example_id)])
    if self.instance_source == 'instances':
      return self._own_instances(example_id)
    found = self._segments(example_id)
    with _naming(self._offsets[example_id]):
      schema.require_masks_fit(len(found['class']), found['id_maps'].shape[:2])
    return [
        {
            'category_id': int(class_id),
            'iscrowd': bool(found['is_crowd'][i]),
            'area': int(found['area'][i]),
            'mask': found['id_maps'][:, :, found['plane'][i]] == i + 1,
        }
        for i, class_id in enumerate(found['class'])]

  def _own_instances(self, example_id: int) -> list[dict[str, Any]]:
    """Returns the instances that the record holds along with the panoptic segments."""
    self._features(example_id)  # checks the image's size
    record = self._record(example_id)
    with _naming(self._offsets[example_id]):
      instances = schema.read_instances(record, self._data_set.num_classes) or []
    return [
        {'category_id': i.class_id, 'iscrowd': i.is_crowd, 'area': i.area, 'mask': i.mask}
        for i in instances]

  def _annotated_instances(self, example_id: int, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the instances of a row of the JSON, whose size must be the record's."""
    size = self.size(example_id)
    try:
      annotations.require_usable(row)
      if row['height'] is not None and (row['height'], row['width']) != size:
        raise UnusableImage(f'{row["file_name"]} is {row["height"]}x{row["width"]}, its record '
                            f'{size[0]}x{size[1]}')
      return self._truth_of_row(row, size)
    except UnusableImage as e:
      raise errors.UserError(f'task.evaluation.instance_annotations cannot be used: {e}; '
                             'correct the JSON') from e

  def _truth_of_row(self, row: dict[str, Any], size: tuple[int, int]) -> list[dict[str, Any]]:
    classes = self._data_set.contiguous_ids
    schema.require_masks_fit(len(row['instances']), size)
    annotations.check_instances(row['instances'], classes, row['file_name'])
    found = []
    for instance in row['instances']:
      mask = instance_masks.rasterize(instance, size, self._json)
      found.append({
          'category_id': classes[instance['category_id']],
          'iscrowd': bool(instance['iscrowd']),
          'area': instance_masks.area_of(instance, int(mask.sum())),
          'mask': mask,
      })
    return found

  def _require_void(self, input_path: str) -> None:
    """Of things alone, void cannot be told from stuff unless the records say which it is."""
    if not self._data_set.has_things_alone:
      return
    if not self._features(self.example_ids[0])['image/void'].numpy():
      raise errors.UserError(
          f"{input_path} does not say which pixels are void, which Cityscapes' AP needs; convert "
          f'again: tf-maskformer prepare cityscapes --data_set {self._data_set.name} '
          '--targets pixels')

  def void(self, example_id: int) -> np.ndarray:
    """Returns the pixels that no score counts, bool [height, width].

    They are what the record says, or else what no segment has.
    """
    void = self._features(example_id)['image/void']
    if void.numpy():
      with _naming(self._offsets[example_id]):
        return decoder.decode_id_map(void).numpy() > 0
    id_map, _ = self[example_id]
    return id_map == 0

  def labels(self, example_id: int, size: tuple[int, int]) -> np.ndarray:
    """Returns the classes of an image's label, integers [height, width], -1 where void.

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
      int64 [segments]; 0 of what is not a single instance, and of all segments of records that do
      not tell instances apart.
    """
    parsed = self._features(example_id)
    values = parsed['segments/id'].numpy()
    classes = parsed['segments/class'].numpy()
    class_of = self._data_set.contiguous_ids
    is_instance = [
        class_of.get(int(value) // _CITYSCAPES_PER_CLASS) == class_id
        for value, class_id in zip(values, classes)]
    return np.where(is_instance, values, 0)

  def image(self, example_id: int) -> np.ndarray:
    """Returns the image, uint8 [height, width, 3], RGB."""
    encoded = self._features(example_id)['image/encoded']
    with _naming(self._offsets[example_id]):
      return decoder.decode_image(encoded).numpy()


@contextlib.contextmanager
def _naming(place: RecordOffset) -> Iterator[None]:
  """Turns what is wrong with a record into one line that says which it is."""
  try:
    yield
  except decoder.ERRORS as e:
    raise errors.UserError(f'{place} cannot be used: {decoder.explain(e)}; {_ADVICE}') from e
  except UnusableImage as e:
    raise errors.UserError(f'{place} cannot be used: {e}; {_ADVICE}') from e


def _facts(offsets: list[RecordOffset]) -> list[record_facts.Facts]:
  """Returns the facts of all records."""
  facts = []
  for offset, record in zip(offsets, record_files.read_all(offsets)):
    with _naming(offset):
      facts.append(record_facts.of(record))
  return facts


def _parser(data_set: str):
  """Returns `decoder.parse_features` of a record as a graph."""
  @tf.function(autograph=False, input_signature=[tf.TensorSpec([], tf.string)])
  def parse(record):
    features = decoder.parse_features(record, data_set)
    return {name: features[name] for name in _NEEDED}
  return parse


def _segments_decoder(data_set: str):
  """Returns `decoder.decode_segments` of a record as a graph.

  Operation by operation, decoding takes longer than scoring.
  """
  @tf.function(autograph=False, input_signature=[tf.TensorSpec([], tf.string)])
  def decode(record):
    return decoder.decode_segments(decoder.parse_features(record, data_set), data_set)
  return decode


def _by_example_id(source_ids: list[str], offsets: list[RecordOffset]) -> dict[int, RecordOffset]:
  """Returns the records by example id; raises UserError where two have one source id."""
  found: dict[int, RecordOffset] = {}
  example_ids = decoder.example_id(tf.constant(source_ids)).numpy().tolist()
  for example_id, source_id, offset in zip(example_ids, source_ids, offsets):
    if example_id in found:
      raise errors.UserError(
          f'two records have one source id, {errors.quoted(source_id)!r} ({found[example_id]}, '
          f'{offset}); every image must occur once; does the pattern mix two conversions?')
    found[example_id] = offset
  return found


def _instance_source(facts: list[record_facts.Facts], offsets: list[RecordOffset],
                     instance_annotations: str) -> str:
  """Returns what `GroundTruth.instance_source` says."""
  if instance_annotations:
    return 'annotations'
  known = [fact.knows_instances for fact in facts]
  if any(known) and not all(known):
    raise errors.UserError(
        f'{known.count(False)} of {len(known)} records do not have the instances that AP is '
        f'measured against ({offsets[known.index(False)]}) and others do '
        f'({offsets[known.index(True)]}), so two conversions are mixed; name one of them')
  return 'instances' if all(known) else 'segments'


def _read_annotated(path: str, data_set: str, source_ids: list[str], input_path: str
                    ) -> dict[str, dict[str, Any]]:
  """Returns the rows of an instances JSON by source id; raises UserError where one is missing."""
  annotated = annotations.read_instances(path, data_set)
  rows = {str(row['id']): row for row in annotated if 'instances' in row}
  missing = set(source_ids) - set(rows)
  if missing:
    raise errors.UserError(
        f'task.evaluation.instance_annotations={path} does not have {len(missing)} images of '
        f'{input_path}, {min(missing)} for one; give the JSON of the same split')
  return rows
