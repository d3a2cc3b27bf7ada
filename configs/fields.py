"""Fields of a configuration that say which values they take.

A rule is metadata of its field: `dropout: float = share_below_one(0.1)`. Where a subclass changes
only the default, the rule of its base class holds. Numbers without a rule must not be below 0.
Imports no TensorFlow.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from tf_maskformer import errors

_RULE = 'rule'  # key of the metadata


class Rule(Protocol):
  """What a field says about its value."""

  def check(self, value: object, where: str) -> None:
    """Checks a value that has the field's type; a list is checked element by element.

    Args:
      value: what the field is to become.
      where: source and key, for the message.

    Raises:
      UserError: the field does not take this value.
    """


@dataclasses.dataclass(frozen=True)
class AtLeast:
  """Numbers from `lowest` upwards."""
  lowest: float

  def check(self, value: object, where: str) -> None:
    """See `Rule`."""
    for number in _numbers(value):
      if number < self.lowest:
        bound = 'not be below 0' if self.lowest == 0 else f'be at least {self.lowest:g}'
        raise errors.UserError(f'{where} must {bound}, not {number}')


@dataclasses.dataclass(frozen=True)
class Share:
  """Numbers in 0 .. 1; where what remains is divided by, 1 itself is refused."""
  below_one: bool = False

  def check(self, value: object, where: str) -> None:
    """See `Rule`."""
    for number in _numbers(value):
      if not 0 <= number <= 1:
        raise errors.UserError(f'{where} must lie in 0 .. 1, not {number}')
      if self.below_one and number == 1:
        raise errors.UserError(f'{where} must be below 1; 1 would leave nothing')


@dataclasses.dataclass(frozen=True)
class OneOf:
  """One of a few values.

  Attributes:
    known: these values.
    refused: values that users may expect, with what to do instead.
  """
  known: tuple[object, ...]
  refused: tuple[tuple[object, str], ...] = ()

  def check(self, value: object, where: str) -> None:
    """See `Rule`."""
    if value in self.known:
      return
    for other, advice in self.refused:
      if value == other:
        raise errors.UserError(f'{where} cannot be {value!r}: {advice}')
    if all(isinstance(k, str) for k in self.known):
      close = errors.nearest(str(value), map(str, self.known))
      if close:
        raise errors.UserError(f'{where} cannot be {value!r}; did you mean {" or ".join(close)}?')
    listed = ', '.join(repr(k) for k in self.known)
    raise errors.UserError(f'{where} cannot be {value!r}; known: {listed}')


@dataclasses.dataclass(frozen=True)
class Anything:
  """Every value of the field's type."""

  def check(self, value: object, where: str) -> None:
    """See `Rule`."""


DEFAULT = AtLeast(0)


def at_least(lowest: float, default: Any) -> Any:
  """Returns a field of a number, or of a list of numbers, that are not below `lowest`."""
  return _field(default, AtLeast(lowest))


def share(default: float) -> Any:
  """Returns a field of a number in 0 .. 1."""
  return _field(default, Share())


def share_below_one(default: float) -> Any:
  """Returns a field of a number in 0 .. 1 that is not 1."""
  return _field(default, Share(below_one=True))


def choice(default: Any, known: Iterable[object],
           refused: Mapping[object, str] | None = None) -> Any:
  """Returns a field that holds one of the `known` values.

  Args:
    default: its value unless set.
    known: all values.
    refused: values that users may expect, with what to do instead.
  """
  return _field(default, OneOf(tuple(known), tuple((refused or {}).items())))


def anything(default: Any) -> Any:
  """Returns a field of a number that may be negative, too."""
  return _field(default, Anything())


def rule(config: object, name: str) -> Rule:
  """Returns the rule of a field: its own, else that of the nearest base class that has one."""
  for one in type(config).__mro__:
    field = getattr(one, '__dataclass_fields__', {}).get(name)
    if field is not None and _RULE in field.metadata:
      return field.metadata[_RULE]
  return DEFAULT


def _field(default: Any, its_rule: Rule) -> Any:
  metadata = {_RULE: its_rule}
  if isinstance(default, list):
    return dataclasses.field(default_factory=default.copy, metadata=metadata)
  return dataclasses.field(default=default, metadata=metadata)


def _numbers(value: object) -> list[float]:
  """Returns the numbers of a value: of a list, of a single one, or none of a text."""
  values = value if isinstance(value, list) else [value]
  return [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
