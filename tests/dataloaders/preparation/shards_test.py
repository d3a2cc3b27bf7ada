"""Conversions: which shards are kept, what is read how often, and what is not a record."""

import shutil

import pytest

from tf_maskformer import files
from tf_maskformer.dataloaders import json_files
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
  parse = json_files.parse

  def counting(data):
    content = parse(data)
    if 'categories' in content:
      read.append(len(content['images']))
    return content

  monkeypatch.setattr(json_files, 'parse', counting)
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
