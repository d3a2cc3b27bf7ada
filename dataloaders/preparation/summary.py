"""What a conversion found, as a table of classes and remarks: people see mistakes in it."""

from collections.abc import Mapping

from tf_maskformer import errors
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders.preparation.counts import Counts
from tf_maskformer.dataloaders.preparation.counts import OfClass

_MUCH_VOID = 0.5  # share of all pixels
_LONGEST_NAME = 30  # characters
_SHOWN = 8  # classes in a remark
_NO_CLASS = 'no class (void)'


def table(data_set: DataSet, counts: Mapping[str, Counts]) -> list[str]:
  """Returns a table: per class and split the images, the segments and the share of pixels.

  Args:
    data_set: of the records.
    counts: by split.
  """
  width = max(len(_shown(c.name)) for c in data_set.classes)
  width = max(width, len(_NO_CLASS))
  head = ''.join(f'  {errors.quoted(split):>24}' for split in counts)
  columns = ''.join(f'  {"images":>8}{"segments":>9}{"pixels":>7}' for _ in counts)
  lines = [f'{"":{width + 8}}{head}', f'{"class":<{width}}        {columns}']
  for i, c in enumerate(data_set.classes):
    kind = 'thing' if c.isthing else 'stuff'
    cells = ''.join(_cells(one.classes.get(str(i), OfClass()), one) for one in counts.values())
    lines.append(f'{_shown(c.name):<{width}}   {kind}{cells}')
  void = ''.join(f'  {"":>17}{_percent(one.void, one.pixels):>7}' for one in counts.values())
  lines.append(f'{_NO_CLASS:<{width}}        {void}')
  return lines


def _shown(name: str) -> str:
  text = errors.quoted(name)
  return text if len(text) <= _LONGEST_NAME else f'{text[:_LONGEST_NAME - 3]}...'


def _cells(one: OfClass, counts: Counts) -> str:
  return f'  {one.images:>8}{one.segments:>9}{_percent(one.pixels, counts.pixels):>7}'


def _percent(part: int, all_of_it: int) -> str:
  """Returns a share; a small one is never shown as nothing."""
  if not part:
    return '-'
  percent = 100 * part / max(all_of_it, 1)
  return f'{percent:.1f}%' if percent >= 0.1 else '<0.1%'


def remarks(data_set: DataSet, counts: Mapping[str, Counts]) -> list[str]:
  """Returns what is likely a mistake: much void, classes without a pixel, images with nothing.

  Args:
    data_set: of the records.
    counts: by split.
  """
  found = []
  for split, one in counts.items():
    name = errors.quoted(split)
    # Between instances there is nothing.
    if one.void > _MUCH_VOID * one.pixels and not data_set.has_things_alone:
      found.append(
          f'{name}: {_percent(one.void, one.pixels)} of the pixels belong to no class; that is '
          'right only where they stand for unlabeled')
    if one.empty:
      found.append(f'{name}: {one.empty} of {one.images} images have no segment')
    if one.crowds:
      found.append(f'{name}: {one.crowds} segments are crowds, which are not trained on')
    missing = [
        c.name for i, c in enumerate(data_set.classes)
        if not one.classes.get(str(i), OfClass()).pixels]
    if missing:
      shown = ', '.join(errors.quoted(class_name) for class_name in missing[:_SHOWN])
      more = f' and {len(missing) - _SHOWN} more' if len(missing) > _SHOWN else ''
      has = 'class has' if len(missing) == 1 else 'classes have'
      found.append(f'{name}: {len(missing)} {has} no pixel: {shown}{more}')
  return found


def sizes(counts: Mapping[str, Counts]) -> list[str]:
  """Returns a line per split: images, and the smallest and largest size."""
  lines = []
  for split, one in counts.items():
    known = sorted((int(height), int(width)) for height, width in (
        size.split('x') for size in one.sizes))
    if not known:
      continue
    by_area = sorted(known, key=lambda size: size[0] * size[1])
    (low_height, low_width), (high_height, high_width) = by_area[0], by_area[-1]
    lines.append(
        f'{errors.quoted(split)}: {one.images} images of {low_width}x{low_height} to '
        f'{high_width}x{high_height} pixels, at most {one.most_segments} segments in one')
  return lines
