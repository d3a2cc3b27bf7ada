"""Damaged and hostile records and annotation folders, and what must hold of each.

    python -m tests.faults.records 1 300     # the first 300 cases of seed 1, a line for each fault

What cannot be used is refused in one line that says where it is, within limits of time and memory,
and what is good next to it can be used.
"""

import contextlib
import dataclasses
import functools
import io
import pathlib
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from PIL import Image

from tests.faults import annotations
from tests.faults import hostile
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.data import ParserConfig
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders import parser
from tf_maskformer.dataloaders import reader
from tf_maskformer.dataloaders import record_faults
from tf_maskformer.dataloaders import schema
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import inspect_records

_SIZE = (48, 64)
_SECONDS = 10.0  # of a case, after the graphs were built
_MEGABYTES = 1500  # by which a case may raise the peak
_SLOTS = 8
_LAYERS = 2
_CONFIG = {
    'coco_panoptic': ParserConfig(output_size=[64, 64], max_segments=_SLOTS, max_layers=1),
    'coco_instance': ParserConfig(
        output_size=[64, 64], max_segments=_SLOTS, max_layers=_LAYERS, redraw_polygons=True)}


@dataclasses.dataclass(frozen=True)
class Case:
  """One thing to try: `seed` says what is made, `kind` from what."""
  kind: str
  seed: int


KINDS = ('coco_panoptic', 'coco_instance', 'framing', *annotations.KINDS)


def generate(seed: int, count: int) -> Iterator[Case]:
  """Yields `count` cases of all kinds in turns."""
  for i in range(count):
    yield Case(KINDS[i % len(KINDS)], seed * 1000003 + i)


def check(case: Case, folder: pathlib.Path) -> str:
  """Tries a case.

  Args:
    case: of `generate`.
    folder: an empty folder.

  Returns:
    '' where it held, else what did not.
  """
  rng = np.random.default_rng(case.seed)
  _warm_up()
  before = _peak()
  start = time.monotonic()
  try:
    if case.kind in annotations.KINDS:
      fault = annotations.check(case.kind, folder, rng)
    elif case.kind == 'framing':
      fault = _check_framing(folder, rng)
    else:
      fault = _check_record(case.kind, folder, rng)
  except Exception as e:  # pylint: disable=broad-except
    return f'{type(e).__name__}: {str(e)[:500]}'
  seconds = time.monotonic() - start
  if seconds > _SECONDS:
    return f'{fault} took {seconds:.1f} s'
  if _peak() - before > _MEGABYTES:
    return f'{fault} took {_peak() - before} MB'
  return fault


def _peak() -> int:
  """Returns the largest memory that this process has had, in MB."""
  status = pathlib.Path('/proc/self/status').read_text()
  found = re.search(r'VmHWM:\s+(\d+)', status)
  return int(found[1]) // 1024 if found else 0


@functools.cache
def _warm_up() -> None:
  for kind in _CONFIG:
    _parse(kind)(good_record(kind, 0))
    decoder.function(kind)(good_record(kind, 0))


@functools.cache
def good_record(kind: str, number: int) -> bytes:
  """Returns a small record with everything that one can hold, of a data set by name."""
  rng = np.random.default_rng(number)
  buffer = io.BytesIO()
  Image.fromarray(rng.integers(0, 256, [*_SIZE, 3], np.uint8)).save(buffer, 'JPEG')
  height, width = _SIZE
  first = np.zeros(_SIZE, np.uint16)
  first[:20] = 1
  first[20:, :30] = 2
  if kind == 'coco_panoptic':
    first[40:, 40:] = 3
    segments = [schema.Segment(c, c == 5, 0, 100 + c, 7 + c) for c in (90, 3, 5)]
    instances = [
        schema.Instance(3, False, 9, 1, first == 2), schema.Instance(5, True, 9, 2, first > 0)]
    return schema.write(
        buffer.getvalue(), 'jpeg', _SIZE, f'id{number}', f'{number}.jpg', [first], segments,
        void=first == 0, instances=instances)
  second = np.zeros(_SIZE, np.uint16)
  second[10:30, 10:50] = 3
  triangle = np.array([[5.5, 5], [width, 9], [20, height - 1.25]])
  segments = [
      schema.Segment(3, False, 0, 900, 1, (triangle, triangle + 3)),
      schema.Segment(5, True, 0, 700, 2), schema.Segment(7, False, 1, 800, 3, (triangle[::-1],))]
  return schema.write(
      buffer.getvalue(), 'jpeg', _SIZE, f'id{number}', f'{number}.jpg', [first, second], segments)


@functools.cache
def _parse(kind: str) -> Callable:
  """Returns what the input pipeline does with a record, as one graph."""
  @tf.function(autograph=False, input_signature=[tf.TensorSpec([], tf.string)])
  def parse(record):
    seed = tf.constant([1, 2])
    return parser.parse(record, tf.constant(True), seed, _CONFIG[kind], kind)
  return parse


def write(path: pathlib.Path, records: list[bytes]) -> None:
  """Writes a file of records."""
  with tf.io.TFRecordWriter(str(path)) as writer:
    for record in records:
      writer.write(record)


def _check_record(kind: str, folder: pathlib.Path, rng: np.random.Generator) -> str:
  """A bad record between two good ones, through every road."""
  done, bad = hostile.record(good_record(kind, 0), rng)
  path = folder / 'val.tfrecord'
  write(path, [good_record(kind, 1), bad, good_record(kind, 2)])
  why = _pipeline_fault(kind, bad)
  place = f'record 1 of {path}'
  refused = _refusal(lambda: _inspect(path, kind))
  if refused and place not in refused:
    return f'{done}: inspect does not say where: {refused}'
  if why and not refused:
    return f'{done}: the pipeline fails ({why}), inspect finds nothing'
  if why and rng.random() < 0.2 and place not in record_faults.locate(str(path), kind):
    return f'{done}: not located'
  refused = _refusal(lambda: _read_truth(path, kind))
  if refused and place not in refused:
    return f'{done}: the truth does not say where: {refused}'
  if rng.random() < 0.2:
    write(path, [bad])
    config = DataConfig(input_path=str(path))
    refused = _refusal(lambda: reader.preflight(config, kind, catalog.get(kind).num_classes, 'x'))
    if why and str(path) not in refused:
      return f'{done}: preflight says {refused!r}, the pipeline {why!r}'
  return ''


def _refusal(action: Callable[[], object]) -> str:
  """Returns the message of the UserError that an action raises, '' where it raises none."""
  try:
    action()
  except UserError as e:
    return str(e)
  return ''


def _pipeline_fault(kind: str, record: bytes) -> str:
  """Returns why the input pipeline refuses a record, '' where it does not."""
  try:
    parse_in_range(kind, record)
  except decoder.ERRORS as e:
    return decoder.explain(e)
  return ''


def parse_in_range(kind: str, record: bytes) -> None:
  """Makes an example of a record as the input pipeline does.

  Raises:
    ValueError: a value of it is out of range.
  """
  _, targets = _parse(kind)(record)
  config = _CONFIG[kind]
  bounds = {
      'classes': catalog.get(kind).num_classes - 1, 'plane': config.max_layers - 1,
      'id_maps': int(targets['valid'].numpy().sum())}
  for name, largest in bounds.items():
    values = targets[name].numpy().astype(np.int64)
    if values.min() < 0 or values.max() > largest:
      raise ValueError(f'{name} is outside 0 to {largest}')


def _inspect(path: pathlib.Path, kind: str) -> None:
  out = io.StringIO()
  with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
    try:
      inspect_records.main([f'--input={path}', f'--data_set={kind}'])
    finally:
      found = re.search(r'(\d+) images', out.getvalue())
      if not found or int(found[1]) < 2:
        raise ValueError(f'the good records were not counted: {out.getvalue()}')


def _read_truth(path: pathlib.Path, kind: str) -> None:
  """Reads the truth of all records; that of the good ones must be there."""
  truth = ground_truth.GroundTruth(str(path), kind)
  if len(truth) != 3:
    raise ValueError(f'the truth has {len(truth)} records')
  for position in (0, 2, 1):
    example_id = truth.example_ids[position]
    id_map, segments = truth[example_id]
    if id_map.max() > len(segments):
      raise ValueError('an id has no segment')
    for row in truth.instances(example_id):
      if row['mask'].shape != id_map.shape:
        raise ValueError('a mask has another size')
    truth.void(example_id)
    truth.cityscapes_values(example_id)


def _check_framing(folder: pathlib.Path, rng: np.random.Generator) -> str:
  """A damaged file next to a good one."""
  kind = 'coco_panoptic'
  good = folder / 'val-a'
  write(good, [good_record(kind, 1), good_record(kind, 2)])
  done, data = hostile.framed(good.read_bytes(), rng)
  bad = folder / 'val-b'
  bad.write_bytes(data)
  config = DataConfig(input_path=f'{folder}/val-b', is_training=False)
  refused = [
      _refusal(lambda: reader.preflight(config, kind, catalog.get(kind).num_classes, 'x')),
      _refusal(lambda: ground_truth.GroundTruth(str(bad), kind)),
      _refusal(lambda: record_faults.locate(str(bad), kind))]
  for text in refused:
    if text and str(bad) not in text:
      return f'{done}: {text} does not name the file'
  out = io.StringIO()
  with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
    found = _refusal(lambda: inspect_records.main([f'--input={folder}/val*', f'--data_set={kind}']))
  if refused[1] and done != 'empty' and str(bad) not in found:
    return f'{done}: inspect says {found!r}, the truth {refused[1]!r}'
  count = re.search(r'(\d+) images', out.getvalue())
  return '' if count and int(count[1]) >= 2 else f'{done}: the good file was not read'


def main() -> int:
  """Tries the cases that the command line asks for (seed, count, first); returns the exit code."""
  seed, count, *first = map(int, sys.argv[1:])
  held = tried = 0
  for number, case in enumerate(generate(seed, count)):
    if first and number < first[0]:
      continue
    with tempfile.TemporaryDirectory() as folder:
      fault = check(case, pathlib.Path(folder))
    tried += 1
    held += not fault
    if fault:
      print(f'case {number} ({case.kind}): {fault}', flush=True)
  print(f'{tried} tried, {held} held')
  return 0 if held == tried else 1


if __name__ == '__main__':
  sys.exit(main())
