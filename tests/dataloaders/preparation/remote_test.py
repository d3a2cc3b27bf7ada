"""Preparation from and to a file system that only TensorFlow's file functions know."""

import json

import pytest
import tensorflow as tf

from tests.dataloaders.preparation import remote
from tests.dataloaders.preparation.custom import drawn
from tf_maskformer.configs.datasets import facts
from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.dataloaders.preparation import shapes
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import inspect_records
from tf_maskformer.scripts import make_shapes
from tf_maskformer.scripts import prepare_custom
from tf_maskformer.scripts import prepare_data


def records(found):
  return {name: data for name, data in found.items() if name.endswith('.tfrecord')}


def local(folder):
  return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(name='root')
def draw(tmp_path):
  root = tmp_path / 'drawn'
  shapes.write(str(root), shapes.Options(train=5, validation=3, size=48))
  return root


def test_a_known_layout(root, tmp_path, capsys):
  flags = ['coco_panoptic', '--data_set=shapes_panoptic', '--workers=1', '--shards=2']
  prepare_data.main([*flags, f'--coco_root={root}', f'--output={tmp_path}/out'])
  place = remote.copy(root)
  more = [*flags, f'--coco_root={place}', f'--output={place}/out']
  prepare_data.main(more)
  found = remote.content(f'{place}/out')
  assert records(found) == records(local(tmp_path / 'out'))
  assert set(found) == set(local(tmp_path / 'out'))  # nothing hidden, nothing missing
  truth = GroundTruth(f'{place}/out/val-*', 'shapes_panoptic')
  assert len(truth.example_ids) == 3
  capsys.readouterr()
  prepare_data.main(more)
  assert capsys.readouterr().out.count(', 2 shards were finished already') == 2


def test_drawn_and_inspected(root, tmp_path, capsys):
  place = f'ram://{tmp_path.name}'
  flags = [f'--output={place}', '--train=5', '--validation=3', '--size=48']
  make_shapes.main(flags)
  for folder in ('train2017', 'val2017', 'annotations'):
    assert remote.content(f'{place}/{folder}') == local(root / folder)
  make_shapes.main(flags)
  with tf.io.gfile.GFile(f'{place}/train2017/000000000001.jpg', 'wb') as file:
    file.write(b'cut')
  make_shapes.main(flags)
  said = capsys.readouterr().out
  assert said.count('images drawn') == 2 and said.count('exist already') == 1
  assert '000000000001.jpg is missing or damaged; train2017 is drawn again' in said
  prepare_data.main([
      'coco_panoptic', '--data_set=shapes_panoptic', '--workers=1', f'--coco_root={place}',
      f'--output={place}/records'])
  inspect_records.main([f'--input={place}/records/val*', f'--output={place}/looked_at'])
  assert 'classes of shapes_panoptic' in capsys.readouterr().out
  assert len(remote.content(f'{place}/looked_at')) == 3


@pytest.mark.parametrize('form', ['data', 'json', 'masks'])
def test_data_of_ones_own(tmp_path, form):
  folder = tmp_path / 'my'
  names = [f'{k}.png' for k in range(6)]
  for k, name in enumerate(names):
    drawn.image(folder / 'images' / name, 40 + k)
    if form == 'masks':
      mask = folder / 'masks' / name
      mask.parent.mkdir(exist_ok=True)
      drawn.Image.fromarray(drawn.mask('dog').astype('uint8')).save(mask)
  if form != 'masks':
    drawn.coco_json(folder / 'labels.json', names)
  flags = {
      'data': ['--data={}'], 'json': ['--images={}/images', '--annotations={}/labels.json'],
      'masks': ['--images={}/images', '--annotations={}/masks', '--binary=dog']}[form]
  place = remote.copy(folder)
  for where, output in ((folder, tmp_path / 'out'), (place, f'{place}/out')):
    prepare_custom.main([*(flag.format(where) for flag in flags), f'--output={output}',
                         '--split=0.5', '--workers=1', '--shards=2', '--name=pets'])
  found = remote.content(f'{place}/out')
  assert records(found) == records(local(tmp_path / 'out'))
  assert len(records(found)) == 4 and 'train.txt' in found
  assert facts.read(f'{place}/out').train_images == 3


def test_other_classes_in_the_same_remote_folder(tmp_path):
  """The description is read after it was written, not what it was before."""
  folder = tmp_path / 'my'
  drawn.image(folder / 'images/a.png')
  drawn.image(folder / 'images/b.png')
  drawn.coco_json(folder / 'labels.json', ['a.png', 'b.png'])
  place = remote.copy(folder)
  flags = [f'--images={place}/images', f'--annotations={place}/labels.json',
           f'--output={place}/out', '--split=0.5', '--workers=1']
  prepare_custom.main(flags)
  prepare_custom.main([*flags, '--ignore=cat'])
  for split in ('train', 'val'):
    report = json.loads(remote.content(f'{place}/out')[f'{split}.report.json'])
    assert list(report['counts']['classes']) == ['0']  # a dog, which was 1 next to the cat


def test_another_split_of_as_many_images(tmp_path):
  """A list is compared by what is in it: the file system may not know when it was written."""
  folder = tmp_path / 'my'
  names = [f'{k}.png' for k in range(6)]
  for name in names:
    drawn.image(folder / 'images' / name)
  drawn.coco_json(folder / 'labels.json', names)
  place = remote.copy(folder)
  flags = [f'--images={place}/images', f'--annotations={place}/labels.json',
           f'--output={place}/out', '--split=0.5', '--workers=1', '--shards=1']
  for seed in range(3):
    prepare_custom.main([*flags, f'--seed={seed}'])
    listed = remote.content(f'{place}/out')['train.txt'].decode().split()
    truth = GroundTruth(f'{place}/out/train-*', f'{place}/out')
    assert sorted(truth.file_name(e) for e in truth.example_ids) == sorted(listed)


def test_a_file_system_that_is_not_known(tmp_path, root):
  flags = ['coco_panoptic', '--data_set=shapes_panoptic', '--workers=1']
  with pytest.raises(UserError, match="cannot be written .*'zz' not implemented"):
    prepare_data.main([*flags, f'--coco_root={root}', '--output=zz://bucket/out'])
  with pytest.raises(UserError, match='zz://'):
    prepare_data.main([*flags, '--coco_root=zz://bucket/coco', f'--output={tmp_path}/out'])
