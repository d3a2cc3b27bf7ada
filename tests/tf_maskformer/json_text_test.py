"""JSON from outside: a phrase for everything that is not plain."""

import math

import pytest

from tf_maskformer import json_text


@pytest.mark.parametrize('text, phrase', [
    (b'', 'is empty'), (b' \n', 'is empty'), (b'{"a": 1', 'is not JSON'),
    (b'\x00' * 9, 'is not JSON'),
    (b'\xff{}', 'not text in UTF-8 .byte 0'), (b'[' * 10**5, 'nested too deeply'),
    (b'{"a": 1, "b": {"c": 1, "c": 2}}', 'c is given twice'), (b'[NaN]', 'NaN is not a finite'),
    (b'[-Infinity]', '-Infinity is not a finite'), (b'9' * 5000, 'cannot be read as JSON')])
def test_what_is_refused(text, phrase):
  with pytest.raises(ValueError, match=phrase):
    json_text.parse(text)


def test_what_is_read():
  assert json_text.parse('\ufeff{"a": [1, 2.5, "ä", null]}'.encode()) == {'a': [1, 2.5, 'ä', None]}
  assert math.isnan(json_text.parse(b'[NaN]', finite=False)[0])
  assert json_text.parse(b'[1, 2.5]', parse_int=str, parse_float=str) == ['1', '2.5']
