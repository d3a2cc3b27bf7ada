"""Random truth and predictions of instances: crowds, ties, empty masks, images without anything."""

import numpy as np

SIZE = (96, 128)
CLASSES = 3


def _mask(rng: np.random.Generator) -> np.ndarray:
  """A rectangle of any size, bool [*SIZE], often ragged, seldom empty."""
  top, left = rng.integers(0, SIZE)
  height, width = rng.choice([1, 8, 30, 40, 90], 2)
  mask = np.zeros(SIZE, bool)
  mask[top:top + height, left:left + width] = rng.random() > 0.03
  return mask & (rng.random(SIZE) < rng.choice([0.9, 1.0]))


def _found(rng: np.random.Generator, truth: list[dict]) -> dict:
  """A prediction: an instance moved a little, or something else."""
  category = int(rng.integers(CLASSES))
  mask = _mask(rng)
  if truth and rng.random() < 0.8:
    row = truth[rng.integers(len(truth))]
    mask = np.roll(row['mask'], tuple(rng.integers(-3, 4, 2)), (0, 1))
    category = row['category_id'] if rng.random() < 0.9 else category
  return {'category_id': category, 'mask': mask, 'score': round(float(rng.random()), 1)}


def image(seed: int, most_found: int = 20) -> tuple[list[dict], list[dict]]:
  """Returns the true and the found instances of an image."""
  rng = np.random.default_rng([9, seed])
  truth = []
  for _ in range(rng.integers(0, 9)):
    mask = _mask(rng)
    area = float(rng.choice([mask.sum(), mask.sum() + 0.5, 32**2, 96**2]))
    truth.append({'category_id': int(rng.integers(CLASSES)), 'mask': mask,
                  'iscrowd': bool(rng.random() < 0.2), 'area': area})
  return truth, [_found(rng, truth) for _ in range(rng.integers(0, most_found))]
