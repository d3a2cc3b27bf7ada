"""Rules by which names of labels follow from those of their images, all without ending."""

import collections
import os
import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

_SEPARATOR = re.compile(r'[-_. ]')
_SAMPLES = 500  # names from which rules are guessed, before they are tried on all
_RULES = 12  # rules that are tried


class Rule(NamedTuple):
  """What comes before and after the part of the names, without endings, that images share."""
  image_prefix: str = ''
  image_suffix: str = ''
  label_prefix: str = ''
  label_suffix: str = ''

  def __str__(self) -> str:
    if not any(self):
      return 'of the same name'
    image = f'{self.image_prefix}NAME{self.image_suffix}'
    return f'named {self.label_prefix}NAME{self.label_suffix} where the image is {image}'


def candidates(images: Sequence[str], labels: Sequence[str], suffix: str | None) -> list[Rule]:
  """Returns rules to try, the simplest and then the most promising first.

  Args:
    images: keys.
    labels: keys.
    suffix: of the labels; None: any.
  """
  rules = [Rule(label_suffix=suffix or '')]
  promising: collections.Counter[Rule] = collections.Counter()
  for image_suffix in ('', *_common_suffixes(images)):
    bases = shared(images, '', image_suffix)
    for label in _sample(labels):
      for cut in range(1, len(label) + 1):
        rest = label[cut:]
        fits = _is_suffix(rest, label[cut - 1]) if suffix is None else rest == suffix
        if fits and label[:cut] in bases:
          promising[Rule(image_suffix=image_suffix, label_suffix=rest)] += 1
  rules += [rule for rule, _ in promising.most_common(_RULES)]
  image_prefix = _common_prefix(images)
  label_prefix = _common_prefix(labels)
  if image_prefix != label_prefix:
    rules.append(Rule(image_prefix, '', label_prefix, suffix or ''))
  return list(dict.fromkeys(rules))


def _sample(names: Sequence[str]) -> list[str]:
  places = np.linspace(0, len(names) - 1, min(len(names), _SAMPLES)).astype(int)
  return [names[place] for place in places]


def _is_suffix(rest: str, before: str) -> bool:
  """Whether the end of a name says what kind of file it is, and is not a part of its number."""
  if '/' in rest:
    return False
  return not rest or not rest[0].isalnum() or (rest[0].isalpha() and before.isdigit())


def _common_suffixes(keys: Sequence[str]) -> list[str]:
  """Returns the ends that all names share and that begin with a separator."""
  reversed_keys = [key[::-1] for key in keys]
  common = os.path.commonprefix([min(reversed_keys), max(reversed_keys)])[::-1]
  return [common[match.start():] for match in _SEPARATOR.finditer(common)]


def _common_prefix(keys: Sequence[str]) -> str:
  """Returns the beginning that all names share, without the first digits of their numbers."""
  bases = [posixpath.basename(key) for key in keys]
  if len(bases) < 2:
    return ''
  common = os.path.commonprefix([min(bases), max(bases)])
  words = list(_SEPARATOR.finditer(common))
  without_digits = common.rstrip('0123456789')
  if without_digits != common or all(base[len(common):][:1].isdigit() for base in bases):
    return without_digits
  return common[:words[-1].end()] if words else ''


def shared(keys: Iterable[str], prefix: str, suffix: str) -> dict[str, str]:
  """Returns the keys by what is left of them without prefix and suffix of the name.

  Args:
    keys: paths; those without the prefix or the suffix are left out.
    prefix: of the last part of the path.
    suffix: of the path.
  """
  found = {}
  for key in keys:
    folder, base = posixpath.split(key)
    inner = base[len(prefix):len(base) - len(suffix)]
    if inner and base.startswith(prefix) and base.endswith(suffix):
      found[posixpath.join(folder, inner)] = key
  return found
