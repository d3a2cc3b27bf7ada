"""What each value of label images is taken for; where one would have to guess, the error asks."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from tf_maskformer import errors
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.dataloaders import label_images
from tf_maskformer.dataloaders.preparation.custom import coco_classes
from tf_maskformer.dataloaders.preparation.custom.found import Request
from tf_maskformer.dataloaders.preparation.custom.label_scan import Scan
from tf_maskformer.errors import UserError

BACKGROUND = 'background'
_BACKGROUNDS = {'background', 'bg', 'other', 'others', 'unlabeled', 'unlabelled', 'unknown', 'none'}
_USUAL_VOID = (255, 65535)  # of labels of 8 and 16 bits
_MUCH = 0.5  # share of the pixels
_FREQUENT = 0.01  # share of the pixels that a color has which smoothed edges did not make
_MOST_CLASSES = 256  # more values than this are no classes
_SHOWN = 12  # values in a message
_SHOWN_ROWS = 40  # values in the table


class Meaning(NamedTuple):
  """What the values mean.

  Attributes:
    classes: each with its labels; stuff, unless the user told things and stuff apart.
    void: values of no class.
    said: lines for the user: a table of values, and remarks.
  """
  classes: tuple[Class, ...]
  void: tuple[int, ...]
  said: tuple[str, ...]


def of(scan: Scan, request: Request) -> Meaning:
  """Returns what the values of semantic label images are taken for.

  Args:
    scan: of all labels.
    request: what the user says of them.

  Raises:
    UserError: the user must say more, or a value is neither class nor void.
  """
  if request.binary:
    return _binary(scan, request)
  if not request.classes:
    raise UserError(_question(scan, request))
  void = set(request.void)
  _require_no_shift(request, scan.form)
  classes = []
  ignored = {descriptor.plain(name) for name in request.ignored}
  for c in labeled(request.classes, scan.form, void):
    if descriptor.plain(c.name) in ignored:
      void.update(c.labels)
    else:
      classes.append(c)
  errors.require(bool(classes), '--ignore leaves no class')
  require_apart(classes, void, scan.form)
  known = void.union(*(c.labels for c in classes))
  unknown = [value for value in _by_share(scan) if value not in known]
  by_itself = [value for value in unknown if value in _USUAL_VOID and scan.form == 'values']
  if unknown == by_itself:
    unknown = []
  if unknown or scan.uncounted:
    raise UserError(_unknown(scan, request, unknown))
  if scan.form == 'values':  # another lot of the same labels may have them
    void.update(set(_USUAL_VOID) - known)
  absent = coco_classes.not_ignored(
      request, [c.name for c in request.classes], request.annotations)
  said = [*absent, *_table(scan, classes, void, by_itself), *remarks(scan, classes, void)]
  if all(c.isthing for c in classes):  # names alone do not say it
    classes = [dataclasses.replace(c, isthing=False) for c in classes]
  return Meaning(tuple(classes), tuple(sorted(void)), tuple(said))


def labeled(classes: Sequence[Class], form: str, void: set[int]) -> list[Class]:
  """Returns classes with their labels: as given, else their color, or their id.

  Args:
    classes: names alone have ids from 0; the values that are void are left out in counting them.
    form: of the labels, 'values' or 'colors'.
    void: values of no class.
  """
  by_position = _are_names_alone(classes)
  free = (value for value in range(len(classes) + len(void)) if value not in void)
  found = []
  for c in classes:
    label = c.id
    if form == 'colors':
      red, green, blue = c.color
      label = red + 256 * green + 65536 * blue
    elif by_position:
      label = next(free)
    found.append(dataclasses.replace(c, labels=c.labels or (label,)))
  return found


def _are_names_alone(classes: Sequence[Class]) -> bool:
  """Whether classes have neither ids nor labels, so that their order tells their values."""
  return all(c.id == i and not c.labels for i, c in enumerate(classes))


def _require_no_shift(request: Request, form: str) -> None:
  """Raises UserError where the first name is that of the value 0, which is void.

  Every class would have the value of the one after it.
  """
  first = request.classes[0].name
  is_named = descriptor.plain(first) in _BACKGROUNDS
  if is_named and form == 'values' and 0 in request.void and _are_names_alone(request.classes):
    raise UserError(
        f'--void 0 says that 0 belongs to no class, but --classes begins with '
        f'{errors.quoted(first)}; void values are not counted in the order of --classes, so leave '
        'out that name, or leave out --void 0 if it is to be learned')


def require_apart(classes: Sequence[Class], void: set[int], form: str) -> None:
  """Raises UserError where a value is a class and void, or two classes.

  Args:
    classes: with their labels.
    void: values of no class; those that are usually void are so by default, and a class that has
      one takes it from there.
    form: of the labels, for messages.
  """
  seen: dict[int, str] = {}
  for c in classes:
    for label in c.labels:
      text = label_images.text_of(label, form)
      other = seen.setdefault(label, c.name)
      errors.require(
          other == c.name, f'{text} is the label of {errors.quoted(other)} and of '
          f'{errors.quoted(c.name)}; give each class its own')
      if label in _USUAL_VOID:
        void.discard(label)
      errors.require(
          label not in void,
          f'{text} is the label of class {errors.quoted(c.name)} and void; correct --void or the '
          'classes')


def _binary(scan: Scan, request: Request) -> Meaning:
  """Returns the meaning of masks of two values."""
  values = [value for value in sorted(scan.values) if value not in request.void]
  others = [value for value in values if value]
  if len(others) != 1 or scan.uncounted:
    raise UserError(_not_binary(scan, request, others))
  errors.require(
      descriptor.plain(request.binary) != BACKGROUND,
      f'--binary names the class that is not {BACKGROUND}; give its name')
  classes = [
      Class(0, BACKGROUND, False, (0, 0, 0), labels=(0,)),
      Class(1, request.binary, False, descriptor.color(0), labels=(others[0],))]
  said = [*_table(scan, classes, set(request.void), []), *remarks(scan, classes, request.void)]
  return Meaning(tuple(classes), request.void, tuple(said))


def _not_binary(scan: Scan, request: Request, others: Sequence[int]) -> str:
  """Returns the message for labels that are not masks of two values."""
  where = request.annotations
  if not others:
    return f'every pixel of the {scan.labels} labels in {where} is 0; there is no {request.binary}'
  text = (f'--binary is for masks of 0 and one other value, but the labels in {where} hold '
          f'{_listed(scan)}')
  if len(others) == 2 and scan.form == 'values' and others[1] in _USUAL_VOID:
    return f'{text}; if {others[1]} is unlabeled, add --void {others[1]}'
  if len(others) > _SHOWN:
    return f'{text}; {_smoothed(scan)}'
  return f'{text}; name them with --classes, or say with --void which are unlabeled'


def _question(scan: Scan, request: Request) -> str:
  """Returns the message that asks for the classes."""
  values = sorted(scan.values)
  text = (f'the labels in {request.annotations} hold {_listed(scan)}, and nothing says what they '
          'are')
  if scan.form == 'colors':
    return f'{text}; {_colors_question(scan)}'
  if len(values) == 2 and values[0] == 0:
    other = values[1]
    names = 'NAME_OF_0,NAME_OF_1' if other == 1 else f'NAME_OF_0 --void {other}'
    meant = 'both are classes' if other == 1 else f'{other} is unlabeled'
    return (f'{text}; if 0 is background and {other} a class, give --binary NAME; if {meant}, '
            f'--classes {names}')
  if len(values) > _SHOWN and set(_by_share(scan)[:2]) == {0, 255}:
    return f'{text}; {_smoothed(scan)}, and give --binary NAME if 0 is background'
  if len(values) > _MOST_CLASSES or scan.uncounted:
    return (f'{text}; so many are not classes: if they number instances, give --task instance '
            f'(or panoptic); {_smoothed(scan)}')
  void = [value for value in values if value in _USUAL_VOID]
  named = [value for value in values if value not in void]
  more = f' --void {" ".join(map(str, void))} if {void[0]} is unlabeled' if void else ''
  if not named:
    return f'{text}; a single value teaches nothing'
  if named[-1] < 2 * len(named):
    names = ','.join(f'NAME_OF_{value}' for value in range(named[-1] + 1))
    if len(named) > _SHOWN:
      names = f'names.txt, a file with a name per line for 0 to {named[-1]}'
    zero = '; if 0 is unlabeled, leave out its name and add --void 0' if named[0] == 0 else ''
    return f'{text}; give --classes {names}{more and ", and" + more}{zero}'
  return f'{text}; {classes_question(named)}{more}'


def classes_question(ids: Sequence[int]) -> str:
  """Returns how to name classes that have these ids."""
  rows = ', '.join(f'{{id: {number}, name: ...}}' for number in ids[:_SHOWN])
  rows += ', ...' if len(ids) > _SHOWN else ''
  return (f'write a file classes.yaml of one line, classes: [{rows}], and give --classes '
          'classes.yaml')


def _colors_question(scan: Scan) -> str:
  few = len(scan.values) <= _MOST_CLASSES
  frequent = [value for value in _by_share(scan) if few or scan.share(value) > _FREQUENT]
  rows = ', '.join(
      f'{{name: ..., labels: [{label_images.text_of(value, scan.form)}]}}'
      for value in frequent[:_SHOWN])
  rows += ', ...' if len(frequent) > _SHOWN else ''
  text = (f'write a file classes.yaml of two lines, label_form: colors and classes: [{rows}], and '
          'give --classes classes.yaml (a color of no class goes to a line void_labels: [...])')
  return text if few else f'{_smoothed(scan)}; then {text}'


def _unknown(scan: Scan, request: Request, unknown: Sequence[int]) -> str:
  """Returns the message for values that are neither class nor void."""
  count = f'{len(unknown)} {scan.form} are' if len(unknown) > 1 else f'a {scan.form[:-1]} is'
  shown = _listed(scan, unknown) or 'too many to list'
  example = scan.values[unknown[0]].example if unknown else next(iter(scan.reasons), '')
  text = (f'{request.annotations}: {count} neither class nor void: {shown}; in '
          f'{errors.quoted(example)} for one')
  num_names = len(request.classes)
  by_position = _are_names_alone(request.classes)
  named = [value for value in unknown if value not in _USUAL_VOID]
  shifted = by_position and scan.form == 'values' and named == [num_names]
  if shifted and 0 not in scan.values:
    return (f'{text}; the {num_names} names are counted from 0, the values from 1: add --void 0, '
            'and the names are counted from 1')
  if shifted:
    return (f'{text}; there are {num_names} names for {num_names + 1} values: 0 has '
            f'{scan.share(0):.1%} of the pixels; if it is background, put that first of the names; '
            'if it is unlabeled, add --void 0')
  if len(unknown) > _SHOWN:
    return f'{text}; {_smoothed(scan)}'
  if scan.form == 'colors' and len(unknown) == len(scan.values):
    return f'{text}; {_colors_question(scan)}'
  if scan.form == 'colors':
    return f'{text}; give it a class, or a place in void_labels, in the file of --classes'
  values = ' '.join(map(str, sorted({*request.void, *unknown})))
  return f'{text}; give a class for it, or --void {values}'


def _smoothed(scan: Scan) -> str:
  """Returns what many values are likely to come from."""
  most = _by_share(scan)[:_SHOWN]
  covered = sum(scan.share(value) for value in most)
  return (f'{len(scan.values)} {scan.form} of which {len(most)} cover {covered:.1%} of the pixels '
          'come from smoothed edges, or from a copy that was saved as JPEG or resized: save the '
          'labels again without smoothing')


def _by_share(scan: Scan) -> list[int]:
  return sorted(scan.values, key=lambda value: (-scan.values[value].pixels, value))


def _listed(scan: Scan, values: Sequence[int] | None = None) -> str:
  """Returns values with their share of the pixels, the most frequent first."""
  chosen = _by_share(scan) if values is None else list(values)
  shown = [
      f'{label_images.text_of(value, scan.form)} ({percent(scan.share(value))})'
      for value in chosen[:_SHOWN]]
  more = f' and {len(chosen) - _SHOWN} more {scan.form}' if len(chosen) > _SHOWN else ''
  return ', '.join(shown) + more


def percent(share: float) -> str:
  """Returns a share as text; a small one is never shown as nothing."""
  return f'{share:.1%}' if share >= 0.001 or not share else '<0.1%'


def _table(scan: Scan, classes: Sequence[Class], void: set[int] | Sequence[int],
           by_itself: Sequence[int]) -> list[str]:
  """Returns lines: value, share of pixels, images, and what it is taken for."""
  class_of = {label: c.name for c in classes for label in c.labels}
  title = 'color' if scan.form == 'colors' else 'value'
  lines = [f'  {title:>15}  {"pixels":>7}  {"images":>7}  taken for']
  order = sorted(scan.values) if scan.form == 'values' else _by_share(scan)
  for value in order[:_SHOWN_ROWS]:
    taken = errors.quoted(class_of.get(value, 'void'))
    if value in by_itself:
      taken = 'void, since every other value is a class'
    elif value in void:
      taken = 'void'
    lines.append(
        f'  {label_images.text_of(value, scan.form):>15}  {percent(scan.share(value)):>7}  '
        f'{scan.values[value].images:>7}  {taken}')
  if len(order) > _SHOWN_ROWS:
    lines.append(f'  and {len(order) - _SHOWN_ROWS} more')
  return lines


def remarks(scan: Scan, classes: Sequence[Class], void: set[int] | Sequence[int]) -> list[str]:
  """Returns what is likely a mistake.

  Args:
    scan: of all labels.
    classes: with their labels.
    void: values of no class.
  """
  found = []
  void_share = sum(scan.share(value) for value in void if value in scan.values)
  if void_share > _MUCH:
    found.append(f'{void_share:.1%} of the pixels are void')
  nothing = sum(scan.values[value].alone for value in void if value in scan.values)
  if nothing:
    found.append(f'{nothing} of {scan.labels} labels hold nothing but void')
  missing = [c.name for c in classes if not any(label in scan.values for label in c.labels)]
  if missing:
    shown = ', '.join(errors.quoted(name) for name in missing[:_SHOWN])
    found.append(f'{len(missing)} classes have no pixel: {shown}')
  first = next((c for c in classes if 0 in c.labels), None)
  is_large = scan.form == 'values' and 0 in scan.values and scan.share(0) > _MUCH
  if first and is_large and descriptor.plain(first.name) not in _BACKGROUNDS:
    found.append(
        f'{errors.quoted(first.name)} is value 0, {scan.share(0):.1%} of the pixels; if that is '
        f'background, name it first: --classes {BACKGROUND},...; if it is unlabeled: --void 0')
  if scan.unreadable:
    name, reason = next(iter(scan.reasons.items()))
    found.append(
        f'{scan.unreadable} labels cannot be read, {errors.quoted(name)} for one: {reason}')
  return [f'remark: {text}' for text in found]
