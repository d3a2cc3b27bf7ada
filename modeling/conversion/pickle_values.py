"""Texts, numbers and keys as a pickle writes them, none of which is large without a reason."""

import codecs
import re
from typing import Any

from tf_maskformer.modeling.conversion.budget import MEGABYTE
from tf_maskformer.modeling.conversion.budget import Damaged

_LONGEST_INTEGER = 32  # bytes; the state of a random generator has numbers of 16
_LONGEST_KEY = 1000  # characters; keys that may be equal are compared character by character
# A text that is longer than this holds numbers, a byte in each character. Any other character would
# make Python keep all of them in two or four bytes.
_LONGEST_TEXT = MEGABYTE


def key_text(key: Any) -> str:
  """Returns a dictionary's key as text; nothing else is ever hashed."""
  if type(key) is str:
    if len(key) > _LONGEST_KEY:
      raise Damaged(f'a key of {len(key)} characters')
    return key
  if key is None or type(key) in (bool, int, float):
    return str(key)
  raise Damaged('a key of a dictionary is neither a text nor a number')


def integer(data: bytes) -> int:
  """Returns a number of LONG1 and LONG4."""
  if len(data) > _LONGEST_INTEGER:
    raise Damaged(f'an integer of {len(data)} bytes')
  return int.from_bytes(data, 'little', signed=True)


def latin(data: bytes) -> str:
  """Returns a text of Python 2, a character for each byte."""
  return data.decode('latin1')


def utf8(data: bytes) -> str:
  """Returns a text of Python 3."""
  if len(data) > _LONGEST_TEXT and re.search(rb'[\xc4-\xff]', data):
    raise Damaged(f'a text of {len(data)} bytes')
  return data.decode('utf-8', 'surrogatepass')


def integer_of_line(line: bytes) -> int | bool:
  """Returns a number that is written as text, or what protocol 0 writes for False and True."""
  if line in (b'00', b'01'):
    return line == b'01'
  return int(line.removesuffix(b'L'))


def escaped_latin(line: bytes) -> str:
  """Returns a text that is written as Python 2 prints it."""
  if len(line) < 2 or line[:1] not in (b'"', b"'") or line[-1:] != line[:1]:
    raise Damaged('a text without quotation marks')
  return latin(codecs.escape_decode(line[1:-1])[0])


def escaped_unicode(line: bytes) -> str:
  """Returns a text of protocol 0."""
  if len(line) > _LONGEST_TEXT and re.search(rb'\\U|\\u(?!00)', line):
    raise Damaged(f'a text of {len(line)} bytes')
  return line.decode('raw-unicode-escape')
