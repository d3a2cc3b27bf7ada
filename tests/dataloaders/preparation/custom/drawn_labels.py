"""Small folders of images and label images, and their records read back."""

import pathlib

import numpy as np
from PIL import Image

from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders.preparation import described
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.dataloaders.preparation.custom.found import Found
from tf_maskformer.dataloaders.preparation.custom.found import Request

SIZE = (24, 30)  # height and width, in blocks of _BLOCK
_BLOCK = 3


def blocks(values, seed=0) -> np.ndarray:
  """Returns a label of blocks, each of a random one of the values; every value occurs."""
  rng = np.random.default_rng(seed)
  small = rng.choice(values, (SIZE[0] // _BLOCK, SIZE[1] // _BLOCK))
  small.ravel()[:len(values)] = values
  return np.repeat(np.repeat(small, _BLOCK, 0), _BLOCK, 1)


def save(path, array) -> None:
  """Writes an array, or a Pillow image, as the file's ending says; makes folders."""
  path = pathlib.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  image = array if isinstance(array, Image.Image) else Image.fromarray(array)
  image.save(path)


def image(path, seed=0) -> None:
  """Writes an image of `SIZE`."""
  save(path, np.random.default_rng(seed).integers(0, 256, [*SIZE, 3]).astype(np.uint8))


def pairs(root, labels, suffix='.png') -> None:
  """Writes images/a0.jpg, ... and masks/a0.png, ..."""
  for i, label in enumerate(labels):
    image(root / 'images' / f'a{i}.jpg', i)
    save(root / 'masks' / f'a{i}{suffix}', label)


def request(root, **fields) -> Request:
  """Returns the request of what `pairs` wrote."""
  return Request(**{'images': f'{root}/images', 'annotations': f'{root}/masks', **fields})


def records(found: Found, root, split='') -> ground_truth.GroundTruth:
  """Converts a split of what was found and returns it as it is read back."""
  output = f'{root}/records{split}'
  described.write(output, found.data_set, ['part'], found.task)
  path = described.path(output)
  report = shards.convert(found.splits[split](path), output, 'part', 1, 1)
  assert not report.refused, report.refused
  return ground_truth.GroundTruth(f'{output}/part*', path)


def names(truth: ground_truth.GroundTruth) -> list[str]:
  """Returns the names of the images of records, sorted."""
  return sorted(truth.source_id(example_id) for example_id in truth.example_ids)


def classes(truth: ground_truth.GroundTruth, name: str) -> np.ndarray:
  """Returns the classes of an image's pixels, -1 where there is none."""
  id_map, segments = truth[_id_of(truth, name)]
  return np.array([-1] + [s['category_id'] for s in segments])[id_map]


def instances(truth: ground_truth.GroundTruth, name: str) -> list[tuple[int, bool, np.ndarray]]:
  """Returns (class, crowd, mask) of an image's instances."""
  found = truth.instances(_id_of(truth, name))
  return [(row['category_id'], bool(row['iscrowd']), np.asarray(row['mask'])) for row in found]


def _id_of(truth, name):
  return next(i for i in truth.example_ids if truth.source_id(i) == name)


def class_names(found: Found) -> list[str]:
  """Returns the names of the classes that were found."""
  return [c.name for c in found.data_set.classes]


