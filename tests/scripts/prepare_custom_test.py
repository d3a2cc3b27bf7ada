"""The door for one's own data: flags that contradict each other, the layouts, the last line."""

import os

import numpy as np
import pytest
from PIL import Image

from tests.dataloaders.preparation.custom import drawn
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import prepare_custom


def folder_of_masks(root, names=('a', 'b', 'c', 'd')):
  """Writes images and masks of two values, of which 255 is a dog."""
  for name in names:
    drawn.image(root / 'images' / f'{name}.png')
    (root / 'masks').mkdir(exist_ok=True)
    mask = np.where(drawn.mask('dog'), 255, 0).astype(np.uint8)
    Image.fromarray(mask).save(root / 'masks' / f'{name}.png')
  return f'--data={root}'


@pytest.mark.parametrize('flags, message', [
    ('', 'give --data, or --images and --annotations'),
    ('--data=a --images=b', '--data finds images and annotations itself; give it, or'),
    ('--data=a --annotations=b', '--data finds images and annotations itself'),
    ('--data=a --val_images=b', '--data finds the images for validation itself; leave out --val'),
    ('--data=a --val_annotations=b', '--data finds the images for validation itself'),
    ('--images=a', 'give --output, the folder for the records'),
    *((f'--data=a --split={share}', '--split .* is not between 0 and 1')
      for share in ('1', '-0.1', '90', 'nan', 'inf')),
    ('--data=a --split=0.5 --split_files b', 'give one of --split, --split_files, and --val'),
    ('--images=a --output=o --split=0.5 --val_images=b', 'give one of --split, --split_files'),
    ('--images=a --output=o --split_files b --val_annotations=b', 'give one of --split'),
    ('--data=a --binary=cell --classes=a,b', 'give --binary or --classes, not both'),
    ('--data=a --workers=0', '--workers 1 or more'), ('--data=a --shards=-1', '--shards must be 0'),
    ('--data=a --max_pixels=0', '--max_pixels 0 is below 1'),
    ('--data=a --void 255 -1', '--void holds a value that no label has'),
    ('--data=a --void 4294967296', '--void holds a value that no label has'),
    ('--data=/nowhere', '/nowhere does not exist; name a folder, or the YAML file of a data set'),
    ('--images=/nowhere --output=o', '--images /nowhere does not exist'),
    ('--data=a --task=boxes', 'boxes'), ('--data=a --nothing', 'nothing')])
def test_flags_that_are_wrong(tmp_path, monkeypatch, flags, message):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(UserError, match=message):
    prepare_custom.main(flags.split())
  assert os.listdir(tmp_path) == []  # nothing is left behind


def test_a_folder_becomes_records_next_to_it(tmp_path, capsys):
  prepare_custom.main([folder_of_masks(tmp_path / 'my'), '--binary=dog', '--workers=1'])
  output = tmp_path / 'my_records'
  description = catalog.describe(str(output))
  assert description.task == 'semantic' and description.data_set.name == 'my_records'
  assert [c.name for c in description.data_set.classes] == ['background', 'dog']
  # Nine tenths of four images would leave none for validation.
  assert len((output / 'train.txt').read_text().split()) == 3
  assert len((output / 'val.txt').read_text().split()) == 1
  printed = capsys.readouterr().out.splitlines()
  root = f'{tmp_path}/my'
  assert printed[0] == f'{root}: annotations {root}/masks, images {root}/images'
  assert printed[-1] == (
      f'train on it: tf-maskformer train --data {output} (without a GPU: with --model '
      'mask2former_small)')


def test_other_splits_of_a_folder(tmp_path):
  data = folder_of_masks(tmp_path / 'my')
  flags = [data, '--binary=dog', '--workers=1', f'--output={tmp_path}/out', '--name=pets']
  prepare_custom.main([*flags, '--split=0.5', '--seed=1'])
  first = (tmp_path / 'out/train.txt').read_text()
  assert len(first.split()) == 2
  assert catalog.get(str(tmp_path / 'out')).name == 'pets'
  others = set()
  for seed in range(2, 6):
    prepare_custom.main([*flags, '--split=0.5', f'--seed={seed}'])
    others.add((tmp_path / 'out/train.txt').read_text())
  assert others - {first}
  for name, text in (('training', 'b'), ('validation', 'a\nc\nd')):
    (tmp_path / f'{name}.txt').write_text(text)
  prepare_custom.main([
      *flags, '--split_files', f'{tmp_path}/training.txt', f'{tmp_path}/validation.txt'])
  assert sorted(path.name for path in (tmp_path / 'out').glob('*.report.json')) == [
      'train.report.json', 'val.report.json']
  assert len(list((tmp_path / 'out').glob('val-*.tfrecord'))) == 3


def test_two_lots_by_a_description(tmp_path):
  for split in ('train', 'val'):
    drawn.image(tmp_path / split / f'{split}.jpg')
    drawn.coco_json(tmp_path / f'{split}.json', [f'{split}.jpg'])
  (tmp_path / 'pets.yaml').write_text(
      'classes: [{name: dog, id: 1}, {name: cat, id: 2}]\nsplits:\n'
      '  train: {images: train, annotations: train.json}\n'
      '  val: {images: val, annotations: val.json}\n')
  prepare_custom.main([f'--data={tmp_path}/pets.yaml', '--workers=1'])
  output = tmp_path / 'pets_records'
  assert [c.name for c in catalog.get(str(output)).classes] == ['dog', 'cat']  # by the file
  for split in ('train', 'val'):
    (found,) = drawn.objects(output, split).values()
    drawn.require_drawn(found, 'dog')
  with pytest.raises(UserError, match='the data have splits of their own .* leave out --split and'):
    prepare_custom.main([f'--data={tmp_path}/pets.yaml', '--workers=1', '--split=0.5'])


def test_a_name_that_is_not_text(tmp_path):
  data = folder_of_masks(tmp_path / 'my')
  with open(os.fsencode(tmp_path / 'my/images') + b'/\xff.png', 'wb'):
    pass
  with pytest.raises(UserError, match=r"a file of the data, b'.*xff.png', is not UTF-8; rename it"):
    prepare_custom.main([data, '--binary=dog', '--workers=1'])
  assert not (tmp_path / 'my_records').exists()
