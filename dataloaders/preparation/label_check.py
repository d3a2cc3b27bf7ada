"""Whether label images follow the rule of their data set, or rather another one.

The values of one rule are often values of another, where they mean other classes; nothing else
notices. A few labels are looked at before anything is converted.
"""

from collections.abc import Sequence

import numpy as np

from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders.images import UnusableImage

_SAMPLES = 16  # labels that are looked at, spread over the split
_MOST = 0.5  # share of the pixels that are void, of the labels with values without a meaning
_VOID = 255
_TRAIN_IDS = 'labelTrainIds'  # in the names of Cityscapes' labels, whose ids are the index


def require_plausible(paths: Sequence[str], data_set: str) -> None:
  """Checks labels of a built-in data set against its `label_rule`.

  Args:
    paths: of all labels of a split; those that cannot be read are not looked at.
    data_set: see `catalog.get`.

  Raises:
    UserError: another rule gives every value a meaning, and by the data set's own most labels have
      values without one, or most pixels are void; or the names say so.
  """
  row = catalog.get(data_set)
  if data_set not in catalog.names():
    return  # its owner said what the values mean
  if row.semantic_rule == 'cityscapes' and any(_TRAIN_IDS in path for path in paths):
    raise errors.UserError(
        f'*_{_TRAIN_IDS}.png hold training ids (0 .. 18), but data set {data_set} is read from '
        'label ids (0 .. 33); give --label_suffix _gtFine_labelIds.png')
  samples = _samples(paths)
  values = set().union(*samples)
  unknown = sorted(values - set(row.class_of_label))
  num_strange = sum(not set(sample) <= set(row.class_of_label) for sample in samples)
  is_strange = num_strange > _MOST * len(samples)
  void = _void_share(samples, row.class_of_label)
  if not is_strange and void <= _MOST:
    return
  for rule, class_of in _other_rules(row).items():
    other_void = _void_share(samples, class_of)
    if values <= set(class_of) and (is_strange or other_void < void):
      what = f'{void:.0%} of the pixels are void'
      if is_strange:
        what = f'the values {unknown[:5]} have no meaning'
      raise errors.UserError(
          f'the labels ({paths[0]} for one) do not fit data set {data_set}: read by its rule, '
          f'{row.label_rule!r}, {what}; read by {rule!r}, every value has a meaning and '
          f'{other_void:.0%} are void; give the labels as published')


def _samples(paths: Sequence[str]) -> list[dict[int, int]]:
  """Returns the pixels of each value in a few of the labels that can be read."""
  samples = []
  spread = np.linspace(0, len(paths) - 1, _SAMPLES).astype(int)
  for k in np.unique(spread).tolist() if paths else []:
    try:
      label = np.asarray(images.decode(images.load(paths[k]), paths[k]))
    except UnusableImage:
      continue  # the conversion says so
    if label.ndim == 2 and label.dtype.kind in 'uib':
      values, pixels = np.unique(label, return_counts=True)
      samples.append(dict(zip(values.tolist(), pixels.tolist())))
  return samples


def _void_share(samples: list[dict[int, int]], class_of: dict[int, int]) -> float:
  """Returns the share of the pixels that are void or have no meaning."""
  void = 0
  total = 0
  for sample in samples:
    total += sum(sample.values())
    void += sum(pixels for value, pixels in sample.items() if class_of.get(value, -1) < 0)
  return void / max(total, 1)


def _other_rules(row: DataSet) -> dict[str, dict[int, int]]:
  """Returns the class of each value by rules that are not the data set's own, by rule."""
  index = {i: i for i in range(row.num_classes)}
  shifted = {i + 1: i for i in range(row.num_classes)}
  rules = {'index': {**index, _VOID: -1}, 'index + 1': {0: -1, **shifted}}
  rules.pop(row.label_rule, None)
  return rules
