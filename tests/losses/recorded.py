"""Targets and points of a recorded official run as a batch of this project."""

import numpy as np
import tensorflow as tf

from tests import support

SLOTS = 8  # more than either image needs


def from_masks(masks: list[np.ndarray], labels: list[np.ndarray]) -> dict[str, tf.Tensor]:
  """Returns targets of images with non-overlapping masks [n, height, width] and classes [n]."""
  height, width = next(m.shape[1:] for m in masks if m.ndim == 3)
  id_maps = np.zeros([len(masks), 1, height, width], np.uint8)
  classes, valid = np.zeros([len(masks), SLOTS], np.int32), np.zeros([len(masks), SLOTS], bool)
  for b, (mask, label) in enumerate(zip(masks, labels)):
    for k, one in enumerate(mask):
      assert not id_maps[b, 0][one > 0].any()
      id_maps[b, 0][one > 0] = k + 1
    classes[b, :len(label)], valid[b, :len(label)] = label, True
  return {'id_maps': tf.constant(id_maps), 'classes': tf.constant(classes),
          'valid': tf.constant(valid), 'plane': tf.zeros([len(masks), SLOTS], tf.int32)}


def targets(run: str = 'mf_tiny') -> dict[str, tf.Tensor]:
  """Returns the targets of that run's `inputs.npz`."""
  arrays = np.load(support.golden(f'{run}/inputs.npz'))
  masks = [arrays[f'padded_masks_{i}'] for i in range(2)]
  return from_masks(masks, [arrays[f'labels_{i}'] for i in range(2)])


def from_overlapping_masks(masks: list[np.ndarray], labels: list[np.ndarray]
                           ) -> dict[str, tf.Tensor]:
  """Returns targets of images with masks [n, height, width] that may overlap, each in its plane."""
  height, width = next(m.shape[1:] for m in masks if m.ndim == 3)
  id_maps = np.zeros([len(masks), SLOTS, height, width], np.uint8)
  classes, valid = np.zeros([len(masks), SLOTS], np.int32), np.zeros([len(masks), SLOTS], bool)
  for b, (mask, label) in enumerate(zip(masks, labels)):
    for k, one in enumerate(mask):
      id_maps[b, k][one > 0] = k + 1
    classes[b, :len(label)], valid[b, :len(label)] = label, True
  planes = tf.repeat(tf.range(SLOTS)[None], len(masks), axis=0)
  return {'id_maps': tf.constant(id_maps), 'classes': tf.constant(classes),
          'valid': tf.constant(valid), 'plane': planes}


def draw(matcher, points, prefix: str = '', matches: np.ndarray | None = None):
  """Returns a `Draw` that gives recorded points, those of a mask where our order has the mask.

  Args:
    matcher: arrays of the matching's points.
    points: arrays of the mask losses' points, one set for each matched mask, ordered by image and
      query.
    prefix: of the latter's names.
    matches: int [predictions, batch, slots], the query of each slot (-1: none); default: those of
      the recording.
  """
  def rows_of(prediction):
    """Image, query and slot of each matched mask, in the official order."""
    if matches is None:
      return points[f'{prefix}layer{prediction}/rows']
    found = [(b, q, slot) for (b, slot), q in np.ndenumerate(matches[prediction]) if q >= 0]
    return np.array(sorted(found))

  def recorded_points(prediction, purpose, shape):
    if purpose == 'match':
      names = [f'layer{prediction}/image{b}/points' for b in range(2)]
      return tf.constant(np.stack([matcher[name] for name in names]))
    rows = rows_of(prediction)
    order = np.lexsort((rows[:, 2], rows[:, 0]))
    name = {'candidates': 'candidates', 'fresh': 'random'}[purpose]
    found = points[f'{prefix}layer{prediction}/{name}'][order]
    if len(shape) == 2 and isinstance(shape[0], int) and shape[0] != len(rows):
      full = np.full([*shape, 2], 0.5, np.float32)  # slots that hold nothing have points too
      full[rows[order, 0] * SLOTS + rows[order, 2]] = found
      found = full
    return tf.constant(found)
  return recorded_points
