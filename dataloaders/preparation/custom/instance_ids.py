"""Label images that number instances: 1000 x class + number as in Cityscapes, or of one class.

A pixel below 1000 has no number: its class is stuff, or a group of things that were not told apart.
"""

import dataclasses
from typing import Any

import numpy as np

from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import label_images
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.dataloaders.preparation import source
from tf_maskformer.dataloaders.preparation.custom import label_meaning
from tf_maskformer.dataloaders.preparation.custom import label_scan
from tf_maskformer.dataloaders.preparation.custom import labels
from tf_maskformer.dataloaders.preparation.custom import numbered
from tf_maskformer.dataloaders.preparation.custom import pairs
from tf_maskformer.dataloaders.preparation.custom.found import Found
from tf_maskformer.dataloaders.preparation.custom.found import Request
from tf_maskformer.dataloaders.preparation.custom.label_scan import Scan
from tf_maskformer.dataloaders.preparation.custom.numbered import Kind
from tf_maskformer.dataloaders.preparation.custom.pairs import Pairs
from tf_maskformer.errors import UserError

PER_CLASS = 1000
_PREFERRED = 'instanceids'  # of Cityscapes' labels, those that number instances
_SHOWN = 12


@dataclasses.dataclass(frozen=True)
class InstancePairs(labels.LabeledPairs):
  """One split; a value is 1000 x label of a class + number, or the label alone."""

  def convert_image(self, row: dict[str, Any]) -> source.Converted:
    """See `Source.convert_image`.

    Values of no class are in no segment where every class is a thing, else refused.
    """
    file = image_files.read(self.image_path(row))
    label = label_images.read(self.label_path(row), file.size)
    data_set = catalog.get(self.data_set)
    kind_of = {}
    unknown = []
    void_values = []
    for value in np.unique(label).tolist():
      has_number = value >= PER_CLASS
      class_id = data_set.class_of_label.get(value // PER_CLASS if has_number else value)
      if class_id is None:
        unknown.append(value)
      elif class_id < 0:
        void_values.append(value)
      else:
        kind_of[value] = Kind(class_id, not has_number and class_id in data_set.thing_classes)
    if unknown and not data_set.has_things_alone:
      raise UnusableImage(
          f'{row["label"]} has values that are neither class nor void: {unknown[:5]}')
    void = np.isin(label, void_values)
    return numbered.of_numbers(file, row, label, kind_of, void)


@dataclasses.dataclass(frozen=True)
class OneClassPairs(labels.LabeledPairs):
  """One split; 0 is background, void is void, and every other value is an instance."""

  def convert_image(self, row: dict[str, Any]) -> source.Converted:
    """See `Source.convert_image`."""
    file = image_files.read(self.image_path(row))
    data_set = catalog.get(self.data_set)
    label = label_images.read(self.label_path(row), file.size, data_set.label_form)
    thing = max(data_set.thing_classes)
    background = data_set.class_of_label.get(0, -1)
    kind_of = {
        value: Kind(thing) for value in np.unique(label).tolist()
        if value and value not in data_set.void_labels}
    if background >= 0 and background != thing:
      kind_of[0] = Kind(background)
    void = np.isin(label, data_set.void_labels)
    return numbered.of_numbers(file, row, label, kind_of, void)


def recognize(request: Request) -> Found | None:
  """Returns what label images of numbered instances hold; None where there are none.

  They are recognized by the task that is asked for, or by the labels' names.

  Raises:
    UserError: images and labels do not go together, or it is not clear what a value means.
  """
  request = labels.with_images(request)
  if request.task == 'semantic' or not labels.holds_labels(request):
    return None
  preferred = _PREFERRED if request.task else ''
  found = pairs.find(request.images, request.annotations, request.label_suffix, preferred)
  if not request.task and _PREFERRED not in found.rule.label_suffix.lower():
    return None
  if request.binary:
    return _one_class(request, found, preferred)
  return _per_class(request, found, preferred)


def _one_class(request: Request, found: Pairs, preferred: str) -> Found:
  """Returns what labels of one class are; see `recognize`."""
  names = [pair.label for pair in found.pairs]
  scan = label_scan.scan(request.annotations, names, request.label_form, workers=request.workers)
  numbers = [value for value in scan.values if value and value not in request.void]
  errors.require(
      bool(numbers), f'every pixel of the {scan.labels} labels is 0; there is no {request.binary}')
  if len(numbers) == 1 and not scan.uncounted:
    raise UserError(
        f'the labels in {request.annotations} hold one value next to 0, so that the instances of '
        'an image are not told apart; give labels with a number for each, or --task semantic')
  task = request.task or 'instance'
  thing = Class(1, request.binary, True, descriptor.color(0), labels=(1,))
  classes = [thing]
  if task == 'panoptic':
    background = Class(0, label_meaning.BACKGROUND, False, (0, 0, 0), labels=(0,))
    classes = [background, thing]
  data_set = DataSet('labels', tuple(classes), label_form=scan.form, void_labels=request.void)
  count = sum(scan.values[value].images for value in numbers)
  zero = 'background' if task == 'panoptic' else 'background, no segment'
  said = [
      *found.said(), f'0 is {zero}; every other value of an image is an instance of '
      f'{errors.quoted(request.binary)}: {count} instances in {scan.labels} images',
      f'void values: {", ".join(map(str, request.void)) or "none"}']
  return Found(
      'label images with a number per instance', task, data_set,
      labels.splits_of(found, request, OneClassPairs, preferred), tuple(said))


def _per_class(request: Request, found: Pairs, preferred: str) -> Found:
  """Returns what labels of 1000 x class + number are; see `recognize`."""
  names = [pair.label for pair in found.pairs]
  scan = label_scan.scan(
      request.annotations, names, 'values', PER_CLASS, workers=request.workers)
  if not any(value < 0 for value in scan.values):
    raise UserError(
        f'the labels in {request.annotations} hold no value of {PER_CLASS} or more, so that they '
        f'do not number instances as {PER_CLASS} x class + number; if they number the instances '
        'of one class, add --binary NAME; if their values are classes, give --task semantic')
  if not request.classes:
    is_numbered_alone = request.task == 'instance'
    ids = sorted({abs(value) for value in scan.values if value < 0 or not is_numbered_alone})
    raise UserError(
        f'the labels in {request.annotations} hold the classes {_listed(scan, ids)}, and nothing '
        f'says what they are; {label_meaning.classes_question(ids)}, with --void for those that '
        'are unlabeled')
  void = set(request.void)
  classes = label_meaning.labeled(request.classes, 'values', void)
  label_meaning.require_apart(classes, void, 'values')
  task = request.task or ('instance' if _are_things_alone(classes, scan) else 'panoptic')
  classes = _of_task(classes, scan, task)
  _require_known(scan, classes, void, task, request)
  data_set = DataSet('labels', tuple(classes), void_labels=tuple(sorted(void)))
  said = (*found.said(), *_table(scan, classes, void))
  return Found(
      f'label images of {PER_CLASS} x class + number', task, data_set,
      labels.splits_of(found, request, InstancePairs, preferred), said)


def _numbered(c: Class, scan: Scan) -> bool:
  return any(-label in scan.values for label in c.labels if label)


def _are_things_alone(classes: list[Class], scan: Scan) -> bool:
  known = {label for c in classes for label in c.labels}
  return all(_numbered(c, scan) for c in classes) and not known.issuperset(scan.values)


def _of_task(classes: list[Class], scan: Scan, task: str) -> list[Class]:
  """Returns the classes of a task; where nothing says which are things, numbers do.

  Raises:
    UserError: stuff is numbered, or no class of an instance task is.
  """
  says_nothing = all(c.isthing for c in classes)
  found = []
  for c in classes:
    has_pixels = any(label in scan.values or -label in scan.values for label in c.labels)
    is_thing = _numbered(c, scan) or not has_pixels if says_nothing else c.isthing
    errors.require(
        is_thing or not _numbered(c, scan),
        f'class {errors.quoted(c.name)} is stuff (isthing: false), but its instances are numbered; '
        'correct the file of --classes')
    if is_thing or task == 'panoptic':
      found.append(dataclasses.replace(c, isthing=is_thing))
  errors.require(bool(found), 'no class has numbered instances; give --task semantic')
  return found


def _require_known(scan: Scan, classes: list[Class], void: set[int], task: str, request: Request
                   ) -> None:
  """Raises UserError where pixels are neither class nor void.

  Of an instance task what has no number may be anything: it is in no segment.
  """
  known = void.union(*(c.labels for c in classes))
  unknown = [
      value for value in scan.values
      if abs(value) not in known and (value < 0 or task == 'panoptic')]
  if not unknown:
    return
  example = scan.values[unknown[0]].example
  ids = sorted({abs(value) for value in unknown})
  raise UserError(
      f'{request.annotations}: neither class nor void: {_listed(scan, ids)}; in '
      f'{errors.quoted(example)} for one; give a class for it, or --void '
      f'{" ".join(map(str, sorted({*request.void, *ids})))}')


def _listed(scan: Scan, ids: list[int]) -> str:
  """Returns ids of classes with their share of the pixels and the number of their instances."""
  shown = []
  for number in ids[:_SHOWN]:
    parts = [scan.values[value] for value in {number, -number} if value in scan.values]
    share = sum(part.pixels for part in parts) / scan.pixels
    count = scan.values[-number].parts if number and -number in scan.values else 0
    shown.append(f'{number} ({label_meaning.percent(share)}, {count} instances)')
  more = f' and {len(ids) - _SHOWN} more' if len(ids) > _SHOWN else ''
  return ', '.join(shown) + more


def _table(scan: Scan, classes: list[Class], void: set[int]) -> list[str]:
  """Returns lines: class in the labels, share of pixels, instances, and what it is taken for."""
  class_of = {label: c for c in classes for label in c.labels}
  lines = [f'  {"class":>7}  {"pixels":>7}  {"instances":>9}  taken for']
  for value in sorted(scan.values, key=lambda value: (abs(value), -value)):
    number = abs(value)
    taken = 'background, no segment'
    if number in class_of:
      c = class_of[number]
      is_group = c.isthing and value >= 0
      taken = errors.quoted(c.name) + (', a group that is not told apart' if is_group else '')
    elif number in void:
      taken = 'void'
    count = scan.values[value].parts if value < 0 else '-'
    lines.append(
        f'  {number:>7}  {label_meaning.percent(scan.share(value)):>7}  {count:>9}  {taken}')
  missing = [
      errors.quoted(c.name) for c in classes
      if not any(label in scan.values or -label in scan.values for label in c.labels)]
  if missing:
    lines.append(f'remark: {len(missing)} classes have no pixel: {", ".join(missing[:_SHOWN])}')
  if scan.unreadable:
    name, reason = next(iter(scan.reasons.items()))
    lines.append(f'remark: {scan.unreadable} labels cannot be read, {errors.quoted(name)} for one: '
                 f'{reason}')
  return lines
