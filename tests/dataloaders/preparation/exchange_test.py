"""What a conversion and its job's workers tell each other: rows, outcomes, and that it is over."""

import json

import pytest

from tf_maskformer import files
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders.preparation import coco_panoptic
from tf_maskformer.dataloaders.preparation import exchange
from tf_maskformer.dataloaders.preparation import shapes
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError

NAMES = ['val-00000-of-00002.tfrecord', 'val-00001-of-00002.tfrecord']
IDENTITY = {'a': 1}


@pytest.fixture(name='source')
def draw(tmp_path):
  shapes.write(str(tmp_path / 'drawn'), shapes.Options(train=1, validation=4, size=48))
  return coco_panoptic.coco_splits(str(tmp_path / 'drawn'), 'shapes_panoptic')['val']


@pytest.fixture(name='one')
def make_exchange(source, tmp_path):
  """An exchange with the rows of two shards."""
  (tmp_path / 'out').mkdir()
  one = exchange.Exchange(str(tmp_path / 'out'), 'val', IDENTITY)
  rows = source.rows()
  one.put({name: rows[k::2] for k, name in enumerate(NAMES)})
  return one


def make(one, source, name):
  exchange.make(name, one.folder, source, images.MAX_PIXELS)


def test_a_worker_makes_what_the_pool_makes(one, source, tmp_path):
  assert one.reports(NAMES) == {}
  make(one, source, NAMES[1])
  assert list(one.reports(NAMES)) == [NAMES[1]]
  assert one.reports(NAMES) == {}  # each once
  make(one, source, NAMES[0])
  make(one, source, NAMES[0])  # a second worker
  report, = one.reports(NAMES).values()
  shards.convert(source, str(tmp_path / 'pool'), 'val', num_shards=2)
  for name in NAMES:
    assert (tmp_path / 'out' / name).read_bytes() == (tmp_path / 'pool' / name).read_bytes()
  assert report.written == 2 and report.size == (tmp_path / 'out' / NAMES[0]).stat().st_size
  assert not list((tmp_path / 'out').rglob(f'{files.PREFIX}*'))


def test_the_limit_of_pixels_goes_to_the_worker(one, source):
  try:
    exchange.make(NAMES[0], one.folder, source, 100)
  finally:
    images.allow(images.MAX_PIXELS)
  report, = one.reports(NAMES).values()
  assert report.written == 0 and len(report.refused) == 2


@pytest.mark.parametrize('end', ['end', 'remove'])
def test_workers_of_a_job_that_is_over_write_nothing(one, source, tmp_path, end):
  getattr(one, end)()
  make(one, source, NAMES[0])
  assert not list((tmp_path / 'out').glob('*.tfrecord')) and one.left(NAMES) == {}


def test_a_worker_that_is_overtaken_does_not_name_its_shard(one, source, tmp_path, monkeypatch):
  real = type(source).convert_image
  rows = []

  def convert_last(self, row):
    rows.append(row)
    if len(rows) == 2:
      one.end()
    return real(self, row)

  monkeypatch.setattr(type(source), 'convert_image', convert_last)
  make(one, source, NAMES[0])
  assert not list((tmp_path / 'out').glob('*.tfrecord'))
  assert not list((tmp_path / 'out').glob(f'{files.PREFIX}*'))


def test_mistakes_of_workers_are_raised_here(one, source, monkeypatch):
  def refuse(self, row):
    raise UserError('the disk is away')

  def fail(self, row):
    raise KeyError('no')

  monkeypatch.setattr(type(source), 'convert_image', refuse)
  make(one, source, NAMES[0])
  with pytest.raises(UserError, match='^the disk is away$'):
    one.reports(NAMES)
  monkeypatch.setattr(type(source), 'convert_image', fail)
  make(one, source, NAMES[1])
  with pytest.raises(RuntimeError, match="(?s)Traceback.*in fail.*KeyError: 'no'"):
    one.reports(NAMES)
  assert one.left(NAMES) == {}


def test_the_next_conversion_takes_over_what_a_job_finished(source, tmp_path, monkeypatch):
  """The conversion is killed; its job finishes a shard and damages the report of another one."""
  output = str(tmp_path / 'out')
  shards.convert(source, output, 'val', num_shards=2)
  identity = json.loads((tmp_path / 'out/val.manifest.json').read_text())['conversion']
  (tmp_path / 'out/val.manifest.json').unlink()
  before = {name: (tmp_path / 'out' / name).stat().st_mtime_ns for name in NAMES}
  one = exchange.Exchange(output, 'val', identity)
  rows = source.rows()
  one.put({name: rows[k::2] for k, name in enumerate(NAMES)})
  for name in NAMES:
    make(one, source, name)
  (tmp_path / one.folder / f'{NAMES[1]}.done.json').write_text('{"rep')
  other = exchange.Exchange(output, 'val', {**identity, 'max_pixels': 1})
  other.put({})
  report = shards.convert(source, output, 'val', num_shards=2)
  assert report.shards_kept == 1 and report.written == 4
  assert (tmp_path / 'out' / NAMES[1]).stat().st_mtime_ns > before[NAMES[1]]
  assert not list((tmp_path / 'out').glob('.job*'))


def test_what_a_job_of_another_conversion_finished_is_not_taken_over(one, source, tmp_path):
  make(one, source, NAMES[0])  # its identity is not that of any conversion
  report = shards.convert(source, str(tmp_path / 'out'), 'val', num_shards=2)
  assert report.shards_kept == 0
