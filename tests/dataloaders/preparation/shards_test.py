"""Conversions: which shards are kept, what is read how often, and what is not a record."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tf_maskformer import files
from tf_maskformer import json_text
from tf_maskformer import lock
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders import record_files
from tf_maskformer.dataloaders.preparation import coco_panoptic
from tf_maskformer.dataloaders.preparation import shapes
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import prepare_data

DATA_SET = 'shapes_panoptic'


@pytest.fixture(name='root')
def draw(tmp_path):
  root = tmp_path / 'drawn'
  shapes.write(str(root), shapes.Options(train=3, validation=2, size=48))
  return root


@pytest.fixture(autouse=True)
def reset_the_limit():
  yield
  images.allow(images.MAX_PIXELS)


def source_of(root):
  return coco_panoptic.coco_splits(str(root), DATA_SET)['val']


def test_another_folder_with_as_many_images_is_another_conversion(root, tmp_path):
  output = str(tmp_path / 'records')
  assert shards.convert(source_of(root), output, 'val').shards_kept == 0
  assert shards.convert(source_of(root), output, 'val').shards_kept == 2
  shutil.copytree(root / 'val2017', root / 'others')
  fields = {**vars(source_of(root)), 'images': str(root / 'others')}
  assert shards.convert(coco_panoptic.CocoPanoptic(**fields), output, 'val').shards_kept == 0


def test_shards_of_an_earlier_version_are_converted_again(root, tmp_path):
  output = tmp_path / 'records'
  source = source_of(root)
  shards.convert(source, str(output), 'val')
  names = sorted(path.name for path in output.glob('*.tfrecord'))
  earlier = {**vars(source), 'format': 3, 'num_shards': 2, 'pictures': 2,
             'annotations': source.annotations_state()}
  finished = {name: {'written': 1, 'refused': {}, 'remarks': {}} for name in names}
  files.write_json(output / 'val.manifest.json', {'source': earlier, 'finished': finished})
  (output / names[0]).write_bytes(b'of an earlier version')
  (output / 'val-00007-of-00008.tfrecord').write_bytes(b'of another number of shards')
  report = shards.convert(source, str(output), 'val')
  assert (report.written, report.shards_kept) == (2, 0)
  assert sorted(path.name for path in output.glob('*.tfrecord')) == names
  assert len(record_files.record_offsets(record_files.match(f'{output}/val*'))) == 2


def test_changed_annotations_are_converted_again(root, tmp_path):
  output = str(tmp_path / 'records')
  shards.convert(source_of(root), output, 'val')
  path = root / 'annotations/panoptic_val2017.json'
  path.write_text(path.read_text() + '\n')
  assert shards.convert(source_of(root), output, 'val').shards_kept == 0


def test_what_is_unfinished_is_not_a_record(root, tmp_path):
  output = tmp_path / 'records'
  shards.convert(source_of(root), str(output), 'val', 1)
  (output / f'{files.PREFIX}val-00000-of-00001.tfrecord').write_bytes(b'unfinished')
  (output / 'val-00000-of-00001.tfrecord.part').write_bytes(b'unfinished, of an earlier version')
  assert record_files.match(f'{output}/*') == [str(output / 'val-00000-of-00001.tfrecord')]


def test_a_preparation_reads_each_annotation_file_once(root, tmp_path, monkeypatch):
  read = []
  parse = json_text.parse

  def counting(data, **options):
    content = parse(data, **options)
    if 'categories' in content:
      read.append(len(content['images']))
    return content

  monkeypatch.setattr(json_text, 'parse', counting)
  prepare_data.main(['coco_panoptic', f'--coco_root={root}', f'--data_set={DATA_SET}',
                     f'--output={tmp_path}/records', '--workers=1'])
  assert sorted(read) == [2, 3]


def test_default_number_of_shards(root, tmp_path):
  """At least eight, but not more than there are images."""
  shapes.write(str(root), shapes.Options(train=9, validation=2, size=48))
  sources = coco_panoptic.coco_splits(str(root), DATA_SET)
  for split, wanted in (('train', 8), ('val', 2)):
    shards.convert(sources[split], str(tmp_path), split)
    assert len(list(tmp_path.glob(f'{split}*.tfrecord'))) == wanted


def test_nothing_usable(root, tmp_path):
  shutil.rmtree(root / 'val2017')
  with pytest.raises(UserError, match=r'val: no image could be used; the first: .*not exist'):
    shards.convert(source_of(root), str(tmp_path / 'records'), 'val')


@pytest.mark.parametrize('content', [
    b'', b'{"conversion": {', b'[]', b'null', b'7', b'"text"', b'\xff\xfe\0', b'[' * 10**5,
    b'{"conversion": 3}', b'{"a": ' + b'9' * 9999 + b'}'])
def test_a_damaged_manifest_is_rebuilt(root, tmp_path, content, capsys):
  output = tmp_path / 'records'
  shards.convert(source_of(root), str(output), 'val')
  path = output / 'val.manifest.json'
  good = path.read_bytes()
  path.write_bytes(content)
  assert shards.convert(source_of(root), str(output), 'val').shards_kept == 0
  assert f'warning: {path}' in capsys.readouterr().out
  assert path.read_bytes() == good


@pytest.mark.parametrize('finished', [
    [], {'NAME': 3}, {'NAME': {'written': 'x'}}, {'NAME': {'refused': [1]}},
    {'NAME': {'written': 1, 'size': -1}}, {'NAME': {'other': 1}}, {'NAME': {'refused': {'a': 1}}}])
def test_a_manifest_of_other_types_is_rebuilt(root, tmp_path, finished, capsys):
  output = tmp_path / 'records'
  shards.convert(source_of(root), str(output), 'val')
  path = output / 'val.manifest.json'
  content = json.loads(path.read_text())
  name = sorted(content['finished'])[0]
  if isinstance(finished, dict):
    finished = {name: finished['NAME']}
  path.write_text(json.dumps({**content, 'finished': finished}))
  report = shards.convert(source_of(root), str(output), 'val')
  assert (report.written, report.shards_kept) == (2, 0)
  assert f'warning: {path}' in capsys.readouterr().out


@pytest.mark.parametrize('has_size', [True, False])
@pytest.mark.parametrize('damage', ['cut', 'longer', 'gone', 'folder', None])
def test_a_shard_that_is_not_what_the_manifest_says_is_made_again(
    root, tmp_path, capsys, damage, has_size):
  output = tmp_path / 'records'
  shards.convert(source_of(root), str(output), 'val')
  path = output / 'val.manifest.json'
  content = json.loads(path.read_text())
  name = sorted(content['finished'])[0]
  shard = output / name
  good = shard.read_bytes()
  assert content['finished'][name]['size'] == len(good)
  if not has_size:  # as earlier versions wrote it
    for report in content['finished'].values():
      del report['size']
    path.write_text(json.dumps(content))
  if damage in ('gone', 'folder'):
    shard.unlink()
  if damage == 'folder':
    shard.mkdir()
    with pytest.raises(UserError, match=f'{name} cannot be written .*directory'):
      shards.convert(source_of(root), str(output), 'val')
    shard.rmdir()
  if damage in ('cut', 'longer'):
    shard.write_bytes(good[:-7] if damage == 'cut' else good + b'1234567')
  report = shards.convert(source_of(root), str(output), 'val')
  assert (report.written, report.shards_kept) == (2, 1 if damage else 2)
  assert shard.read_bytes() == good
  assert (f'{name} is missing or damaged' in capsys.readouterr().out) == bool(damage)


def test_another_limit_is_another_conversion(root, tmp_path):
  output = str(tmp_path / 'records')
  shards.convert(source_of(root), output, 'val')
  images.allow(10**6)
  assert shards.convert(source_of(root), output, 'val').shards_kept == 0


def _prepare(root, output, *more):
  return ['coco_panoptic', f'--coco_root={root}', f'--data_set={DATA_SET}', f'--output={output}',
          *more]


def test_two_at_once_are_refused(root, tmp_path):
  with lock.held(tmp_path), pytest.raises(UserError, match=f'in use by process {os.getpid()}'):
    prepare_data.main(_prepare(root, tmp_path))
  assert not list(tmp_path.glob('*.tfrecord'))


@pytest.mark.parametrize('name', [
    '../../secret.jpg', '/etc/passwd', 'a/../../b', 7, None, '', 'a\0b', '\ud800', ['a'], 'x' * 300,
    'gs://bucket/a', 'line\nline'])
def test_a_name_that_is_not_one_costs_its_image(root, tmp_path, name, capsys):
  path = root / 'annotations/panoptic_val2017.json'
  content = json.loads(path.read_text())
  content['images'][0]['file_name'] = name
  path.write_text(json.dumps(content))
  prepare_data.main(_prepare(root, tmp_path / 'records'))
  printed = capsys.readouterr().out.splitlines()
  assert any(line.startswith('val: 1 images in') and '1 refused' in line for line in printed)
  assert sum(line.startswith('  refused: ') for line in printed) == 1


_SLOW_IMAGES = 3000  # links to one image; minutes of work


@pytest.fixture(name='slow_flags')
def make_slow(root, tmp_path):
  """Returns flags of a preparation that is not done soon."""
  content = json.loads((root / 'annotations/panoptic_val2017.json').read_text())
  image = content['images'][0]
  annotation = content['annotations'][0]
  for folder, row in (('val2017', image), ('annotations/panoptic_val2017', annotation)):
    for number in range(_SLOW_IMAGES):
      first = root / folder / row['file_name']
      os.link(first, first.with_name(f'{number}{first.suffix}'))
  content['images'] = [
      {**image, 'id': number, 'file_name': f'{number}.jpg'} for number in range(_SLOW_IMAGES)]
  content['annotations'] = [
      {**annotation, 'image_id': number, 'file_name': f'{number}.png'}
      for number in range(_SLOW_IMAGES)]
  (root / 'annotations/panoptic_val2017.json').write_text(json.dumps(content))
  return [
      'coco_panoptic', f'--images={root}/val2017', '--split=val', f'--data_set={DATA_SET}',
      f'--annotations={root}/annotations/panoptic_val2017.json',
      f'--panoptic={root}/annotations/panoptic_val2017', f'--output={tmp_path}/records']


@pytest.mark.parametrize('number, code, workers', [
    (signal.SIGTERM, 143, 2), (signal.SIGINT, 130, 2), (signal.SIGTERM, 143, 1),
    (signal.SIGKILL, -9, 2)])
def test_an_interrupted_preparation(slow_flags, tmp_path, number, code, workers):
  output = tmp_path / 'records'
  command = [sys.executable, 'scripts/prepare_data.py', *slow_flags, f'--workers={workers}']
  with subprocess.Popen(
      command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
    deadline = time.monotonic() + 120
    while not list(output.glob('val-*')) and time.monotonic() < deadline:
      time.sleep(0.01)
    process.send_signal(number)
    printed = process.communicate()[1]
  assert process.returncode == code
  assert 'Traceback' not in printed
  if number != signal.SIGKILL:
    assert printed.splitlines()[-1] == 'interrupted'
    assert not list(output.glob('.*'))
  for path in output.glob('val-*'):  # complete
    assert record_files.record_offsets([str(path)])
  (output / f'{files.PREFIX}of-a-killed-one').touch()
  with pytest.raises(UserError, match='no image could be used'):  # the same folder, another source
    prepare_data.main([*slow_flags, '--max_pixels=1', f'--workers={workers}'])
  assert not [path for path in output.glob('.*') if path.name != '.lock']
  assert pathlib.Path(output / 'val.report.json').exists()
