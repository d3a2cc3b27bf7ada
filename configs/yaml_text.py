"""YAML of settings: mappings, lists and scalars that mean what they look like, and nothing else.

Left out of YAML 1.1 is what surprises or explodes: tags, merge keys, keys given twice, numbers like
010 (octal), 1:30 (base 60) and 1_000, dates (they stay text), and aliases that would unfold to more
than a file of settings can hold.
"""

import re
from typing import Any

import yaml

DEPTH = 32  # groups and lists inside each other
_NODES = 20000  # of a file, aliases unfolded
_DIGITS = 40
_TAG = 'tag:yaml.org,2002:'
# PyYAML's scanner takes time with the square of such brackets.
_DEEP = re.compile(rf'(?:[\[{{]\s*){{{DEPTH + 1}}}')
_INTEGER = re.compile(r'[-+]?(0|[1-9][0-9]*)')
_FLOAT = re.compile(r'[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?')
_NOT_FINITE = re.compile(r'[-+]?\.(inf|nan)', re.IGNORECASE)


def load(text: str, nodes: int = _NODES) -> Any:
  """Returns the mapping, list, text, number, truth value or None that a text says.

  Args:
    text: YAML.
    nodes: values that it may have, aliases unfolded.

  Raises:
    yaml.YAMLError: it is not YAML, or is of the kind that is left out.
  """
  if _DEEP.search(text):
    raise yaml.YAMLError(f'nested deeper than {DEPTH} levels')
  try:
    node = yaml.compose(text, yaml.SafeLoader)
  except RecursionError as error:
    raise yaml.YAMLError(f'nested deeper than {DEPTH} levels') from error
  return None if node is None else _Values(nodes).of(node)


class _Values:
  """The values of nodes, whose number is limited."""

  def __init__(self, most: int):
    self._most = most
    self._left = most

  def of(self, node: yaml.Node, depth: int = 0) -> Any:
    """Returns the value of a node.

    Args:
      node: also one that contains itself by an alias.
      depth: how many nodes it is in.

    Raises:
      yaml.YAMLError: see `load`.
    """
    self._left -= 1
    if self._left < 0:
      raise _error(node, f'more than {self._most} values, aliases (*name) unfolded')
    if depth > DEPTH:
      raise _error(node, f'nested deeper than {DEPTH} levels')
    if isinstance(node, yaml.MappingNode) and node.tag == f'{_TAG}map':
      return self._mapping(node, depth)
    if isinstance(node, yaml.SequenceNode) and node.tag == f'{_TAG}seq':
      return [self.of(one, depth + 1) for one in node.value]
    if isinstance(node, yaml.ScalarNode):
      return _scalar(node)
    raise _error(node, f'a tag ({_shown(node)}) has no meaning in settings')

  def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
    found = {}
    for key_node, value_node in node.value:
      if not isinstance(key_node, yaml.ScalarNode):
        raise _error(key_node, 'a key is not a name')
      key = key_node.value
      if key_node.tag == f'{_TAG}merge':
        raise _error(key_node, 'merge keys (<<) are not taken; write the keys out')
      if key in found:
        raise _error(key_node, f'{key} is given twice; keep one of the two')
      found[key] = self.of(value_node, depth + 1)
    return found


def _scalar(node: yaml.ScalarNode) -> Any:
  text = node.value
  kind = node.tag.removeprefix(_TAG)
  if kind in ('str', 'timestamp', 'value', 'merge'):
    return text
  if kind == 'null':
    return None
  if kind == 'bool':
    return yaml.SafeLoader.bool_values.get(text.lower(), text)
  if kind == 'int':
    if _INTEGER.fullmatch(text) and len(text) <= _DIGITS:
      return int(text)
    raise _error(
        node, f'{text} is not written as a plain whole number; write decimal digits, at most '
        f'{_DIGITS}, or put it in quotes')
  if kind == 'float':
    if _FLOAT.fullmatch(text):
      return float(text)
    if _NOT_FINITE.fullmatch(text):
      return float(text.replace('.', ''))
    raise _error(
        node, f'{text} is not written as a plain number; write decimals, or put it in quotes')
  raise _error(node, f'a tag ({_shown(node)}) has no meaning in settings')


def _shown(node: yaml.Node) -> str:
  return node.tag.replace(_TAG, '!!')


def _error(node: yaml.Node, problem: str) -> yaml.YAMLError:
  return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
