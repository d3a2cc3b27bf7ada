"""Interprets the instructions of a pickle that checkpoints need, over plain values.

Python's own unpickler, even restricted to a few names, sets attributes of whatever the file names,
hashes and compares objects of any depth, and copies one text as often as it is named. This machine
has no instruction that does: a name becomes a `Global`, which can only be called through a table
of functions; state goes only into `Rebuilt` objects of this file; keys of dictionaries are texts or
numbers, which become texts; sets become lists. Each step costs a bounded amount, which a `Budget`
counts, and nothing is recursive.
"""

import dataclasses
import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from tf_maskformer.modeling.conversion import budget as budgets
from tf_maskformer.modeling.conversion import pickle_values
from tf_maskformer.modeling.conversion.budget import Budget
from tf_maskformer.modeling.conversion.budget import Damaged

_LONGEST_LINE = 80  # bytes of a number as text
_LONGEST_NAME = 200  # characters of a global
_HIGHEST_PROTOCOL = 5


class Refused(Exception):
  """The pickle asks for something that no checkpoint needs."""


@dataclasses.dataclass(frozen=True, slots=True)
class Global:
  """A name in the file, 'module.name'."""
  name: str


class Rebuilt:
  """Base of the objects that a file gives a state."""

  def set_state(self, budget: Budget, state: Any) -> None:
    """Takes the state; raises Damaged where it is not one of such an object."""
    raise NotImplementedError


# What a global means: a function of the budget and of the arguments; None: it is only named.
Functions = Mapping[str, Callable[[Budget, tuple], Any] | None]


def items(budget: Budget, pairs: list) -> dict[str, Any]:
  """Returns a dictionary of (key, value) pairs."""
  budget.spend(budgets.INSTRUCTIONS, len(pairs))
  result = {}
  for pair in pairs:
    if type(pair) not in (list, tuple) or len(pair) != 2:
      raise Damaged('an item of a dictionary is not a pair')
    result[pickle_values.key_text(pair[0])] = pair[1]
  return result


class Machine:
  """Reads one pickle of a file.

  Args:
    file: at the pickle's first byte; `run` leaves it behind the last one.
    size: bytes in the file.
    budget: of the file.
    functions: what the globals mean; any other is refused.
    storage_of: returns what a reference to outside of the pickle means; None: there are none.
  """

  def __init__(
      self, file: BinaryIO, size: int, budget: Budget, functions: Functions,
      storage_of: Callable[[Any], Any] | None = None):
    self._file = file
    self._left = size - file.tell()
    self._budget = budget
    self._functions = functions
    self._storage_of = storage_of
    self._highest_memo = size
    self._stack: list[Any] = []
    self._marks: list[int] = []  # lengths of the stack
    self._memo: dict[int, Any] = {}

  def run(self) -> Any:
    """Returns what the pickle holds.

    Raises:
      Damaged: it is cut off, has an unknown instruction or a wrong one.
      Refused: it names a global that is not in the table.
      ValueError: a text or number in it is not one.
    """
    while True:
      self._budget.spend(budgets.INSTRUCTIONS, 1)
      code = self._take(1)
      if code == pickle.STOP:
        return self._pop()
      if code in _CONSTANTS:
        self._push(_CONSTANTS[code])
      elif code in _OF_WIDTH:
        self._push(self._number(_OF_WIDTH[code], signed=code == pickle.BININT))
      elif code in _OF_LENGTH:
        width, convert = _OF_LENGTH[code]
        self._push(convert(self._take(self._number(width))))
      elif code in _OF_LINE:
        longest, convert = _OF_LINE[code]
        self._push(convert(self._line(longest)))
      elif code in _ACTIONS:
        _ACTIONS[code](self)
      else:
        raise Damaged(f'it has an instruction {code!r}')

  # The file.

  def _take(self, count: int) -> bytes:
    if count > self._left:
      raise Damaged(f'{count} bytes are announced, {self._left} are left')
    self._left -= count
    self._budget.spend(budgets.COPIES, count)
    data = self._file.read(count)
    if len(data) != count:
      raise Damaged('it ends early')
    return data

  def _number(self, width: int, signed: bool = False) -> int:
    return int.from_bytes(self._take(width), 'little', signed=signed)

  def _line(self, longest: int | None = _LONGEST_NAME + 1) -> bytes:
    """Returns the bytes up to the next line end, without it; None: of any length."""
    line = self._file.readline(self._left if longest is None else min(longest, self._left))
    if not line.endswith(b'\n'):
      raise Damaged('a line is too long or cut off')
    self._left -= len(line)
    self._budget.spend(budgets.COPIES, len(line))
    return line[:-1]

  # The stack.

  def _push(self, value: Any) -> None:
    self._stack.append(value)

  def _top(self) -> Any:
    """Returns the value on top, which no mark is above."""
    if len(self._stack) <= (self._marks[-1] if self._marks else 0):
      raise Damaged('a value is missing')
    return self._stack[-1]

  def _pop(self) -> Any:
    value = self._top()
    del self._stack[-1]
    return value

  def _pop_marked(self) -> list[Any]:
    """Removes and returns the values above the last mark, and the mark."""
    if not self._marks:
      raise Damaged('a mark is missing')
    start = self._marks.pop()
    values = self._stack[start:]
    del self._stack[start:]
    return values

  def _mark(self) -> None:
    self._marks.append(len(self._stack))

  def _drop(self) -> None:
    if self._marks and self._marks[-1] == len(self._stack):
      self._marks.pop()
    else:
      self._pop()

  def _duplicate(self) -> None:
    self._push(self._top())

  # Values that were seen before.

  def _get(self, index: int) -> None:
    if index not in self._memo:
      raise Damaged(f'a reference to value {index}, which is missing')
    self._push(self._memo[index])

  def _put(self, index: int) -> None:
    if not 0 <= index <= self._highest_memo:
      raise Damaged(f'it numbers a value {index}, which has no room in the file')
    self._memo[index] = self._top()

  # Containers.

  def _new_list(self) -> None:
    self._push([])

  def _new_dict(self) -> None:
    self._push({})

  def _tuple_of(self, count: int) -> None:
    values = [self._pop() for _ in range(count)]
    self._push(tuple(reversed(values)))

  def _list(self) -> Any:
    target = self._top()
    if type(target) is not list:
      raise Damaged('something is appended to what is not a list')
    return target

  def _append(self) -> None:
    value = self._pop()
    self._list().append(value)

  def _extend(self) -> None:
    values = self._pop_marked()
    self._list().extend(values)

  def _set_items(self, values: list[Any]) -> None:
    target = self._top()
    if type(target) is not dict or len(values) % 2:
      raise Damaged('items are set of what is not a dictionary')
    for key, value in zip(values[::2], values[1::2]):
      target[pickle_values.key_text(key)] = value

  def _set_item(self) -> None:
    value = self._pop()
    key = self._pop()
    self._set_items([key, value])

  def _marked_dict(self) -> None:
    values = self._pop_marked()
    self._push({})
    self._set_items(values)

  # Objects.

  def _find(self, module: Any, name: Any) -> None:
    if type(module) is not str or type(name) is not str:
      raise Damaged('a name is not a text')
    if len(module) + len(name) > _LONGEST_NAME:
      raise Damaged('a name is too long')
    full = f'{module}.{name}'
    if full not in self._functions:
      raise Refused(full)
    self._push(Global(full))

  def _global(self) -> None:
    module = pickle_values.utf8(self._line())
    self._find(module, pickle_values.utf8(self._line()))

  def _stack_global(self) -> None:
    name = self._pop()
    self._find(self._pop(), name)

  def _call(self) -> None:
    arguments = self._pop()
    called = self._pop()
    if type(called) is not Global or type(arguments) is not tuple:
      raise Damaged('something is called that is not a function')
    function = self._functions[called.name]
    if function is None:
      raise Damaged(f'{called.name} is called')
    self._push(function(self._budget, arguments))

  def _call_with_names(self) -> None:
    names = self._pop()
    if type(names) is not dict or names:
      raise Damaged('a function is called with named arguments')
    self._call()

  def _build(self) -> None:
    """Gives an object its state; that of an OrderedDict, PyTorch's `_metadata`, is not needed."""
    state = self._pop()
    target = self._top()
    if isinstance(target, Rebuilt):
      target.set_state(self._budget, state)
    elif type(target) is not dict:
      raise Damaged('something has a state that has none')

  def _reference(self, pid: Any) -> None:
    if self._storage_of is None:
      raise Damaged('a reference to outside of the file')
    self._push(self._storage_of(pid))

  # The pickle itself.

  def _protocol(self) -> None:
    if self._number(1) > _HIGHEST_PROTOCOL:
      raise Damaged('it is of an unknown protocol')

  def _frame(self) -> None:
    length = self._number(8)
    if length > self._left:
      raise Damaged(f'{length} bytes are announced, {self._left} are left')


_CONSTANTS = {
    pickle.NONE: None, pickle.NEWTRUE: True, pickle.NEWFALSE: False, pickle.EMPTY_TUPLE: ()}
# Bytes of a number.
_OF_WIDTH = {pickle.BININT: 4, pickle.BININT1: 1, pickle.BININT2: 2}
# Bytes of the length, and what the bytes that follow mean.
_OF_LENGTH: dict[bytes, tuple[int, Callable[[bytes], Any]]] = {
    pickle.LONG1: (1, pickle_values.integer), pickle.LONG4: (4, pickle_values.integer),
    pickle.SHORT_BINSTRING: (1, pickle_values.latin),
    pickle.BINSTRING: (4, pickle_values.latin),
    pickle.SHORT_BINUNICODE: (1, pickle_values.utf8),
    pickle.BINUNICODE: (4, pickle_values.utf8),
    pickle.BINUNICODE8: (8, pickle_values.utf8),
    pickle.SHORT_BINBYTES: (1, bytes), pickle.BINBYTES: (4, bytes), pickle.BINBYTES8: (8, bytes),
    pickle.BYTEARRAY8: (8, bytes),
}
# Bytes of the longest line (None: any), and what it means.
_OF_LINE: dict[bytes, tuple[int | None, Callable[[bytes], Any]]] = {
    pickle.INT: (_LONGEST_LINE, pickle_values.integer_of_line),
    pickle.LONG: (_LONGEST_LINE, pickle_values.integer_of_line),
    pickle.FLOAT: (_LONGEST_LINE, float),
    pickle.STRING: (None, pickle_values.escaped_latin),
    pickle.UNICODE: (None, pickle_values.escaped_unicode),
}
_ACTIONS: dict[bytes, Callable[[Machine], Any]] = {
    pickle.BINFLOAT: lambda m: m._push(struct.unpack('>d', m._take(8))[0]),
    pickle.MARK: Machine._mark,
    pickle.POP: Machine._drop,
    pickle.POP_MARK: Machine._pop_marked,
    pickle.DUP: Machine._duplicate,
    pickle.GET: lambda m: m._get(int(m._line(_LONGEST_LINE))),
    pickle.BINGET: lambda m: m._get(m._number(1)),
    pickle.LONG_BINGET: lambda m: m._get(m._number(4)),
    pickle.PUT: lambda m: m._put(int(m._line(_LONGEST_LINE))),
    pickle.BINPUT: lambda m: m._put(m._number(1)),
    pickle.LONG_BINPUT: lambda m: m._put(m._number(4)),
    pickle.MEMOIZE: lambda m: m._put(len(m._memo)),
    pickle.EMPTY_LIST: Machine._new_list,
    pickle.EMPTY_SET: Machine._new_list,
    pickle.EMPTY_DICT: Machine._new_dict,
    pickle.TUPLE: lambda m: m._push(tuple(m._pop_marked())),
    pickle.TUPLE1: lambda m: m._tuple_of(1),
    pickle.TUPLE2: lambda m: m._tuple_of(2),
    pickle.TUPLE3: lambda m: m._tuple_of(3),
    pickle.LIST: lambda m: m._push(m._pop_marked()),
    pickle.FROZENSET: lambda m: m._push(m._pop_marked()),
    pickle.DICT: Machine._marked_dict,
    pickle.APPEND: Machine._append,
    pickle.APPENDS: Machine._extend,
    pickle.ADDITEMS: Machine._extend,
    pickle.SETITEM: Machine._set_item,
    pickle.SETITEMS: lambda m: m._set_items(m._pop_marked()),
    pickle.GLOBAL: Machine._global,
    pickle.STACK_GLOBAL: Machine._stack_global,
    pickle.REDUCE: Machine._call,
    pickle.NEWOBJ: Machine._call,
    pickle.NEWOBJ_EX: Machine._call_with_names,
    pickle.BUILD: Machine._build,
    pickle.PERSID: lambda m: m._reference(pickle_values.utf8(m._line())),
    pickle.BINPERSID: lambda m: m._reference(m._pop()),
    pickle.PROTO: Machine._protocol,
    pickle.FRAME: Machine._frame,
}
