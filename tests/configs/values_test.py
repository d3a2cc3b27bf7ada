"""Values as their fields' types, from text and from files."""

import typing

import pytest

from tf_maskformer.configs.override_syntax import Bare
from tf_maskformer.configs.values import convert
from tf_maskformer.errors import UserError


@pytest.mark.parametrize('value, annotation, wanted', [
    (Bare('True'), bool, True),
    (Bare('0'), bool, False),
    (False, bool, False),
    (Bare('-3'), int, -3),
    (7, int, 7),
    (Bare('1e-4'), float, 1e-4),
    ('1e-4', float, 1e-4),  # as YAML reads it
    (2, float, 2.0),
    (Bare('off'), str, 'off'),  # a word, not False
    ('None', str, 'None'),  # was in quotes
    (Bare('none'), typing.Optional[int], None),
    (None, int | None, None),
    (Bare('4'), int | None, 4),
    (Bare('None'), typing.Optional[str], None),
    ('None', typing.Optional[str], 'None'),
    (Bare('2.5'), str | float | None, 2.5),
    (Bare('dynamic'), str | float | None, 'dynamic'),
    ([Bare('1'), 2], list[int], [1, 2]),
    ((1, 2), typing.Sequence[float], [1.0, 2.0]),
    ([], list[int], []),
])
def test_values(value, annotation, wanted):
  found = convert(value, annotation, 'here')
  assert found == wanted and type(found) is type(wanted)


@pytest.mark.parametrize('value, annotation, message', [
    (Bare('yes'), bool, "here must be True or False, not 'yes'"),
    (1, bool, 'here must be True or False, not 1'),
    (Bare('1.5'), int, "here must be a whole number, not '1.5'"),
    (True, int, 'here must be a whole number, not True'),
    ('4', int, "here must be a whole number, not '4'"),
    (Bare('nan'), float, "here must be a number, not 'nan'"),
    (Bare('1_000'), float, "here must be a number, not '1_000'"),
    (True, float, 'here must be a number, not True'),
    ({}, float, 'here must be a number, not {}'),
    (Bare('None'), str, "here must be text, not None; write '' for no text"),
    (4, str, 'here must be text, not 4; put it in quotes if it is meant as text'),
    ([1], str, 'here must be text, not [1]'),
    (Bare('x'), typing.Optional[int], "here must be a whole number or None, not 'x'"),
    (Bare('5'), list[int], "here must be a list [...], each a whole number, not '5'"),
    ([1, 'a'], list[int], "here must be a list [...], each a whole number, not [1, 'a']"),
])
def test_values_of_another_type(value, annotation, message):
  with pytest.raises(UserError) as error:
    convert(value, annotation, 'here')
  assert str(error.value) == message
