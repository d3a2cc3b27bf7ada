"""Lists of images: any of an image's names is the image, and no image is in two splits."""

import json

import numpy as np
import pytest

from tests.dataloaders.preparation.custom import drawn
from tests.dataloaders.preparation.custom import drawn_labels
from tf_maskformer.errors import UserError


def prepare(root, images, **lists):
  """Writes label images and lists, and converts them; returns the number of images by split."""
  for name in images:
    drawn_labels.image(root / 'images' / f'{name}.jpg')
    label = drawn_labels.blocks([0, 1]).astype(np.uint8)
    drawn_labels.save(root / 'masks' / f'{name}.png', label)
  flags = []
  for split, names in lists.items():
    (root / f'{split}.txt').write_text('\n'.join(names))
    flags.append(f'{root}/{split}.txt')
  output = root / 'records'
  drawn.prepare(output, f'--data={root}', '--classes=road,car', '--split_files', *flags)
  return {split: json.loads((output / f'{split}.report.json').read_text())['written']
          for split in lists}


def test_names_with_and_without_ending_and_folder(tmp_path):
  written = prepare(
      tmp_path, ['x/a', 'x/b', 'y/c'], train=['x/a.jpg', 'b', 'b.jpg'], val=['c.jpg'])
  assert written == {'train': 2, 'val': 1}


@pytest.mark.parametrize('images, train, val, words', [
    (['a', 'b'], ['a.jpg', 'b'], ['a'], 'a.jpg is in train and in val'),
    (['x/a', 'y/a', 'b'], ['a'], ['b'], 'several images are called a;'),
    (['a', 'b'], ['a', 'c'], ['b'], 'not annotated, c for one')])
def test_what_stops(tmp_path, images, train, val, words):
  with pytest.raises(UserError, match=words):
    prepare(tmp_path, images, train=train, val=val)
