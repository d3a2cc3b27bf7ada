"""Which class of a data set a category of a JSON is: by its id and its name, which must agree."""

import re
from collections.abc import Collection
from typing import Any

from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.dataloaders import coco_json
from tf_maskformer.dataloaders import json_values

_SHOWN = 5  # categories in a message
# Words that the owners of one data set use for one class in different files: ADE20K's instances
# against its semantic classes, COCO's names of 2014 against those of Pascal VOC.
_SYNONYMS = (
    ('airplane', 'aeroplane', 'plane'), ('apparel', 'clothes'), ('ashcan', 'trash can'),
    ('bathtub', 'tub'), ('couch', 'sofa'), ('hair drier', 'hair dryer'),
    ('motorcycle', 'motorbike'), ('railing', 'rail'), ('streetlight', 'street lamp'),
    ('television receiver', 'tv', 'television', 'tv monitor'), ('windowpane', 'window'))
_NAMES_SEPARATED = re.compile('[,;]')  # ADE20K lists several names of a class


def compact(name: str) -> str:
  """Returns a name without case, blanks, underscores and other marks: 'Wine_Glass', 'wine glass'.

  Of a name that is nothing but marks, the name.
  """
  folded = name.casefold()
  return ''.join(c for c in folded if c.isalnum()) or folded.strip()


_SAME = {compact(name): compact(names[0]) for names in _SYNONYMS for name in names}


def _spellings(name: str) -> set[str]:
  """Returns all names that a class's name lists, plain, each by the first of its synonyms."""
  names = [compact(part) for part in [name, *_NAMES_SEPARATED.split(name)] if part.strip()]
  return {_SAME.get(spelling, spelling) for spelling in names}


def _words(name: str) -> set[str]:
  return set(re.findall(r'[^\W_]+', name.casefold()))


def agree(name: str, other: str) -> bool:
  """Whether two names of one id may mean one class.

  They do where they differ in case or marks, where one lists the other among several, and where
  all words of one are in the other: 'tree' and 'tree-merged', 'Bird' and 'animal--bird'.
  """
  if _spellings(name) & _spellings(other):
    return True
  words, other_words = _words(name), _words(other)
  return bool(words and other_words) and (words <= other_words or other_words <= words)


def declared(content: dict[str, Any], path: str, form: tuple[str, str]) -> dict[int, str]:
  """Returns the name of each declared category by its id, '' where it has none.

  Args:
    content: of the JSON.
    path: of the JSON, for messages.
    form: see `coco_json.require_form`.

  Raises:
    UserError: the categories are not a list of objects with distinct whole numbers as ids.
  """
  categories = content.get('categories')
  if not isinstance(categories, list):
    raise coco_json.wrong_form("'categories' is missing or is not a list", path, form)
  names: dict[int, str] = {}
  for category in categories:
    stated: Any = category.get('id') if isinstance(category, dict) else None
    category_id = json_values.as_whole(stated)
    if not json_values.is_whole(category_id, -coco_json.MAX_ID, coco_json.MAX_ID):
      raise coco_json.wrong_form(f'a category has the id {errors.quoted(stated)}, which is not a '
                                 'whole number', path, form)
    if category_id in names:
      raise coco_json.wrong_form(f'two categories have the id {category_id}', path, form)
    name = category.get('name')
    is_name = isinstance(name, (str, int)) and not isinstance(name, bool)
    names[category_id] = str(name) if is_name and str(name).strip() else ''
  return names


def resolve(names: dict[int, str], used: Collection[int], data_set: str, path: str
            ) -> dict[int, int | None]:
  """Returns the id that the data set has for each category of a JSON.

  A category is the class with its id where their names agree or it has no name; else the class
  that has its name as an alias; else, where no class has its id, the class with its name.

  Args:
    names: of the categories, see `declared`.
    used: ids of the categories that annotations have; others are not looked at.
    data_set: name in configs/datasets/catalog.py.
    path: of the JSON, for messages.

  Returns:
    id of the data set's class by id in the JSON; None where the data set ignores the category.

  Raises:
    UserError: an id is that of a class with another name, or the data set does not have a category.
  """
  known = catalog.get(data_set)
  ignored = {compact(name) for name in known.ignored}
  found: dict[int, int | None] = {}
  conflicts = []
  unknown = []
  for category_id in sorted(used):
    name = names[category_id]
    one = _class_of(category_id, name, known.classes)
    if name and compact(name) in ignored:
      found[category_id] = None
    elif one is not None:
      found[category_id] = one.id
    elif category_id in known.contiguous_ids:
      own = known.classes[known.contiguous_ids[category_id]].name
      conflicts.append(f'{category_id} is {errors.quoted(name)!r}, there {errors.quoted(own)!r}')
    else:
      unknown.append(f'{category_id} {errors.quoted(name)!r}' if name else str(category_id))
  _require_none(conflicts, unknown, len(used), data_set, path)
  return found


def _class_of(category_id: int, name: str, classes: tuple[Class, ...]) -> Class | None:
  """Returns the class of a category, None where there is none or its id and name disagree."""
  of_id = next((c for c in classes if c.id == category_id), None)
  of_name = [c for c in classes if compact(name) == compact(c.name)]
  # What is exactly the name of another class is not a loose name of this one.
  is_another = bool(of_name) and of_id not in of_name
  if of_id is not None and not is_another and _may_mean(name, of_id):
    return of_id
  of_alias = [c for c in classes if compact(name) in map(compact, c.aliases)]
  if of_alias:
    return of_alias[0]
  if of_id is not None or not name:
    return None
  loose = [c for c in classes if _spellings(name) & _spellings(c.name)]
  return next(iter([*of_name, *loose]), None)


def _may_mean(name: str, one: Class) -> bool:
  """Whether a name, or that there is none, is no contradiction to the class."""
  own_names = (one.name, *one.aliases)
  return not name or any(agree(name, own) for own in own_names)


def _require_none(conflicts: list[str], unknown: list[str], total: int, data_set: str, path: str
                  ) -> None:
  if conflicts:
    raise errors.UserError(
        f'annotations {path} name {len(conflicts)} of {total} categories otherwise than data set '
        f'{data_set}: {_listed(conflicts)}; give the data set that these annotations are of')
  if unknown:
    raise errors.UserError(
        f'annotations {path} have categories that data set {data_set} does not have: '
        f'[{_listed(unknown)}]; give the data set that these annotations are of')


def _listed(texts: list[str]) -> str:
  more = f', … ({len(texts)} in all)' if len(texts) > _SHOWN else ''
  return ', '.join(texts[:_SHOWN]) + more
