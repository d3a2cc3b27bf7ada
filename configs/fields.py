"""Fields of a configuration that say which values they take.

A rule is metadata of its field: `dropout: float = share_below_one(0.1)`. Where a subclass changes
only the default, the rule of its base class holds. Numbers without a rule are 0 .. 2^31 - 1.
Imports no TensorFlow.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from tf_maskformer import errors
from tf_maskformer.configs import limits

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
class Within:
  """Numbers from `lowest` to `highest`; but for 0, none that float32 cannot tell from 0."""
  lowest: float
  highest: float

  def check(self, value: object, where: str) -> None:
    """See `Rule`."""
    for number in _numbers(value, where):
      if number < self.lowest:
        bound = 'not be below 0' if self.lowest == 0 else f'be at least {self.lowest:g}'
        raise errors.UserError(f'{where} must {bound}, not {number}')
      if number > self.highest:
        highest = f'{self.highest:d}' if isinstance(self.highest, int) else f'{self.highest:g}'
        raise errors.UserError(f'{where} must be at most {highest}, not {number}')
      if 0 < abs(number) < limits.SMALLEST:
        raise errors.UserError(
            f'{where} is {number}, which is 0 in float32; set it to 0 or to at least 1e-37')


@dataclasses.dataclass(frozen=True)
class Share:
  """Numbers in 0 .. 1; where what remains is divided by, up to 0.999999."""
  below_one: bool = False

  def check(self, value: object, where: str) -> None:
    """See `Rule`."""
    for number in _numbers(value, where):
      if not 0 <= number <= 1:
        raise errors.UserError(f'{where} must be in 0 .. 1, not {number}')
      if self.below_one and number > limits.NEARLY_ONE:
        raise errors.UserError(
            f'{where} must be below 1, at most {limits.NEARLY_ONE}; 1 would leave nothing')


@dataclasses.dataclass(frozen=True)
class OneOf:
  """One of a few values.

  Attributes:
    known: these values.
  """
  known: tuple[object, ...]

  def check(self, value: object, where: str) -> None:
    """See `Rule`."""
    if value in self.known:
      return
    given = errors.quoted(repr(value))
    if all(isinstance(k, str) for k in self.known):
      close = errors.nearest(str(value), map(str, self.known))
      if close:
        raise errors.UserError(f'{where} cannot be {given}; did you mean {" or ".join(close)}?')
    listed = ', '.join(repr(k) for k in self.known)
    raise errors.UserError(f'{where} cannot be {given}; known: {listed}')


@dataclasses.dataclass(frozen=True)
class Checked:
  """What a function does not refuse; it raises UserError."""
  function: Callable[[Any], object]

  def check(self, value: object, where: str) -> None:
    """See `Rule`."""
    try:
      self.function(value)
    except errors.UserError as e:
      raise errors.UserError(f'{where}: {e}') from e


DEFAULT = Within(0, limits.INT32)


def within(lowest: float, highest: float, default: Any) -> Any:
  """Returns a field of a number, or of a list of numbers, from `lowest` to `highest`."""
  return _field(default, Within(lowest, highest))


def share(default: float) -> Any:
  """Returns a field of a number in 0 .. 1."""
  return _field(default, Share())


def share_below_one(default: float) -> Any:
  """Returns a field of a number in 0 .. 1 that is not 1."""
  return _field(default, Share(below_one=True))


def choice(default: Any, known: Iterable[object]) -> Any:
  """Returns a field that holds one of the `known` values.

  Args:
    default: its value unless set.
    known: all values.
  """
  return _field(default, OneOf(tuple(known)))


def checked(default: Any, function: Callable[[Any], object]) -> Any:
  """Returns a field of a value that `function` does not refuse with a UserError."""
  return _field(default, Checked(function))


def rule(config: object, name: str) -> Rule:
  """Returns the rule of a field: its own, else that of the nearest base class that has one."""
  for one in type(config).__mro__:
    field = getattr(one, '__dataclass_fields__', {}).get(name)
    if field is not None and _RULE in field.metadata:
      return field.metadata[_RULE]
  return DEFAULT


def leaves(config: Any, prefix: str = '') -> Iterator[tuple[str, Any, str]]:
  """Yields dotted name, owner and name of every field that holds a value, not a group."""
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if dataclasses.is_dataclass(value):
      yield from leaves(value, f'{prefix}{field.name}.')
    else:
      yield f'{prefix}{field.name}', config, field.name


def _field(default: Any, its_rule: Rule) -> Any:
  metadata = {_RULE: its_rule}
  if isinstance(default, list):
    return dataclasses.field(default_factory=default.copy, metadata=metadata)
  return dataclasses.field(default=default, metadata=metadata)


def _numbers(value: object, where: str) -> list[float]:
  """Returns the numbers of a value: of a list, of a single one, or none of a text.

  Raises:
    UserError: a list is longer than any that is of use.
  """
  values = value if isinstance(value, list) else [value]
  if len(values) > limits.LIST:
    raise errors.UserError(
        f'{where} has {len(values)} values in its list; at most {limits.LIST} are possible')
  return [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
