"""The classes of COCO's JSONs: by the names of their categories, the same in all splits."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tf_maskformer import errors
from tf_maskformer.configs import limits
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.dataloaders import coco_categories
from tf_maskformer.dataloaders import json_values
from tf_maskformer.dataloaders.coco_categories import compact
from tf_maskformer.dataloaders.preparation.custom.found import Request

_LONGEST_NAME = 200  # characters
_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Category:
  """A category of a JSON.

  Attributes:
    id: in the JSON.
    name: in the JSON, '' without one.
    isthing: as the JSON says; None: it does not say.
    color: red, green, blue; None: the JSON has none.
    uses: annotations that have it.
    is_root: whether it may be the group that Roboflow puts above all others: number 0, or the
      supercategory of another.
  """
  id: int
  name: str
  isthing: bool | None
  color: tuple[int, int, int] | None
  uses: int
  is_root: bool


def read(content: Mapping[str, Any], path: str, form: tuple[str, str]) -> list[Category]:
  """Returns the categories of a JSON in their order.

  Args:
    content: of the JSON, of instances or of panoptic segments.
    path: of the JSON, for messages.
    form: see `coco_json.require_form`.

  Raises:
    UserError: they are not a list of objects with distinct ids, or an id or a name is out of range.
  """
  if not content.get('categories'):
    raise errors.UserError(
        f'annotations {path} have no categories, so nothing names their classes; add "categories"')
  names = coco_categories.declared(dict(content), path, form)
  uses = _uses(content['annotations'])
  rows = content['categories']
  parents = {compact(str(row.get('supercategory', ''))) for row in rows}
  found = []
  for (category_id, name), row in zip(names.items(), rows):
    if not 0 <= category_id <= limits.INT32:
      raise errors.UserError(
          f'annotations {path} have the category id {category_id}, which is not in 0 .. '
          f'{limits.INT32}; number the categories from 1')
    name = name.strip()
    if len(name) > _LONGEST_NAME:
      raise errors.UserError(
          f'annotations {path}: the name of category {category_id} has more than {_LONGEST_NAME} '
          'characters; shorten it')
    isthing: Any = row.get('isthing')
    found.append(Category(
        id=category_id,
        name=name,
        isthing=bool(isthing) if isthing in (0, 1) else None,
        color=_color(row.get('color')),
        uses=uses[category_id],
        is_root=_is_root(category_id, row, parents)))
  return found


def _uses(rows: list[Any]) -> Counter[int]:
  """Returns how many instances or segments each category has."""
  uses: Counter[int] = Counter()
  for row in rows:
    infos: Any = row.get('segments_info', [row]) if isinstance(row, dict) else []
    for info in infos if isinstance(infos, list) else []:
      category_id = json_values.as_whole(info.get('category_id')) if isinstance(info, dict) else 0
      if type(category_id) is int:
        uses[category_id] += 1
  return uses


def _is_root(category_id: int, row: Mapping[str, Any], parents: set[str]) -> bool:
  name = compact(str(row.get('name', '')))
  has_no_parent = str(row.get('supercategory', 'none')).casefold() in ('', 'none', 'null')
  return name in parents and (category_id == 0 or has_no_parent)


def _color(value: Any) -> tuple[int, int, int] | None:
  is_color = isinstance(value, list) and len(value) == 3 and all(
      json_values.is_whole(channel, 0, 255) for channel in value)
  return (value[0], value[1], value[2]) if is_color else None


def classes_of(categories: list[Category], request: Request, path: str
               ) -> tuple[tuple[Class, ...], list[str]]:
  """Returns the classes of a data set, and lines that say what is not one of the categories.

  Args:
    categories: of the JSON.
    request: its `classes` decide names and order where they are given.
    path: of the JSON, for messages.

  Raises:
    UserError: a category has no name, `classes` do not name a category that annotations have, or
      nothing is left.
  """
  ignored = {compact(name) for name in request.ignored}
  kept = []
  said = []
  for category in categories:
    shown = f'category {category.id} {errors.quoted(category.name)!r}'
    if category.is_root and not category.uses and len(categories) > 1:
      said.append(f'{shown} has no annotation and is above the others, as Roboflow writes it: it '
                  'is not a class')
    elif category.name and compact(category.name) in ignored:
      said.append(f'{shown}, {category.uses} annotations: left out')
    else:
      kept.append(category)
  if request.classes:
    return _as_asked(kept, request.classes, path), said
  nameless = [category.id for category in kept if not category.name]
  if nameless:
    raise errors.UserError(
        f'annotations {path}: category {nameless[0]} has no name; give the classes with their ids '
        'by --classes FILE.yaml')
  if not kept:
    raise errors.UserError(f'annotations {path} have no category that is not left out')
  classes: dict[str, Class] = {}
  for category in kept:
    other = classes.get(compact(category.name))
    if other is not None:
      said.append(f'categories {other.id} and {category.id} are both named '
                  f'{errors.quoted(category.name)!r}: one class')
      continue
    classes[compact(category.name)] = Class(
        id=category.id,
        name=category.name,
        isthing=category.isthing is not False,
        color=category.color or descriptor.color(len(classes), category.name))
  return tuple(classes.values()), said


def _as_asked(categories: list[Category], classes: tuple[Class, ...], path: str
              ) -> tuple[Class, ...]:
  """Returns the classes that the user gave, with the ids that the JSON gives them."""
  of_class: dict[int, list[Category]] = {i: [] for i in range(len(classes))}
  unknown = []
  for category in categories:
    named = [i for i, c in enumerate(classes)
             if compact(category.name) in map(compact, (c.name, *c.aliases))]
    if not category.name:
      named = [i for i, c in enumerate(classes) if c.id == category.id]
    if named:
      of_class[named[0]].append(category)
    elif category.uses:
      unknown.append(f'{errors.quoted(category.name)} ({category.uses} annotations)')
  if unknown:
    raise errors.UserError(
        f'annotations {path} have {len(unknown)} categories that --classes does not name: '
        f'{", ".join(unknown[:_SHOWN])}; add them, or leave them out with --ignore')
  taken = {own[0].id for own in of_class.values() if own}
  found = []
  for i, c in enumerate(classes):
    own_id = of_class[i][0].id if of_class[i] else c.id
    if not of_class[i] and own_id in taken:
      own_id = max(taken) + 1
    taken.add(own_id)
    found.append(dataclasses.replace(c, id=own_id))
  return tuple(found)


def not_ignored(request: Request, names: Iterable[str], where: str) -> list[str]:
  """Returns a line where names that are to be left out are not there; a name may be misspelled.

  Args:
    request: its `ignored` are to be left out.
    names: of what is annotated.
    where: the annotations, for the line.
  """
  known = {compact(name) for name in names}
  absent = [name for name in request.ignored if compact(name) not in known]
  if not absent:
    return []
  shown = ', '.join(repr(errors.quoted(name)) for name in absent[:_SHOWN])
  return [f'{where}: nothing is called {shown}, which should be left out']


def require_same(classes: tuple[Class, ...], others: list[Category], request: Request, first: str,
                 second: str) -> None:
  """Checks the categories of another split against the classes of the first.

  Args:
    classes: of the first split.
    others: of the other split.
    request: its `ignored` are left out.
    first: path of the first split's JSON, for messages.
    second: path of the other one's.

  Raises:
    UserError: an id means two classes, or the other split has a class of its own.
  """
  of_id = {c.id: c for c in classes}
  names = {compact(name) for c in classes for name in (c.name, *c.aliases)}
  ignored = {compact(name) for name in request.ignored}
  for category in others:
    name = compact(category.name)
    if not category.uses or name in ignored:
      continue
    own = of_id.get(category.id)
    if own is not None and name and name not in map(compact, (own.name, *own.aliases)):
      if request.classes and name in names:
        continue  # merged by an alias
      raise errors.UserError(
          f'category {category.id} is {errors.quoted(own.name)!r} in {first}, but '
          f'{errors.quoted(category.name)!r} in {second}; give both files the same categories')
    if name not in names:
      raise errors.UserError(
          f'{second} has the class {errors.quoted(category.name)!r} ({category.uses} annotations), '
          f'which {first} does not have; leave it out with --ignore, or merge it by --classes')
