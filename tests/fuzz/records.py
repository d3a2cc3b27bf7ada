"""Fuzz targets: the record decoder, as the input pipeline, the scoring and `inspect` use it."""

import contextlib
import functools
import pathlib
import tempfile

from tests.faults import records
from tests.fuzz import harness
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import record_facts
from tf_maskformer.dataloaders import record_files
from tf_maskformer.dataloaders import run_lengths
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage

_MODULES = (record_facts, record_files, run_lengths, schema)


def _decode(kind: str, data: bytes) -> None:
  """Reads a record on every road; what comes out of the pipeline is in range."""
  with contextlib.suppress(*decoder.ERRORS):
    records.parse_in_range(kind, data)
  with contextlib.suppress(UnusableImage, *decoder.ERRORS):
    record_facts.of(data)
    decoder.function(kind)(data)  # whoever reads instances has seen the features checked
    schema.read_instances(data, catalog.get(kind).num_classes)


@functools.cache
def _path() -> pathlib.Path:
  return pathlib.Path(tempfile.mkdtemp(prefix='fuzz-')) / 'val'


def _read_file(data: bytes) -> None:
  """Reads all records of a file with these bytes."""
  _path().write_bytes(data)
  list(record_files.read_all(record_files.record_offsets([str(_path())])))


def _file() -> list[bytes]:
  records.write(_path(), [b'first', b'second' * 9, b'\0'])
  return [_path().read_bytes()]


TARGETS = {
    kind: harness.Target(
        functools.partial(_decode, kind),
        lambda kind=kind: [records.good_record(kind, k) for k in range(3)], _MODULES)
    for kind in ('coco_panoptic', 'coco_instance')}
TARGETS['file'] = harness.Target(_read_file, _file, _MODULES)

if __name__ == '__main__':
  harness.run(TARGETS)
