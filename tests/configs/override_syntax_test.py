"""The override text's grammar and the messages of its errors."""

import pytest

from tf_maskformer.configs import override_syntax
from tf_maskformer.errors import UserError


def _values(text):
  return {o.key: o.value for o in override_syntax.parse(text)}


@pytest.mark.parametrize('text, expected', [
    ('a=1', {'a': '1'}),
    (' a.b = 1 , c = x ', {'a.b': '1', 'c': 'x'}),
    ('c.d=[1,2],e=3', {'c.d': ['1', '2'], 'e': '3'}),
    ("e='x,y',f=\"a=b\"", {'e': 'x,y', 'f': 'a=b'}),
    ("e=['a,b',c]", {'e': ['a,b', 'c']}),
    ('e=[]', {'e': []}),
    ('e=[[1,2],[3]]', {'e': [['1', '2'], ['3']]}),
    ('p=/a=b/c.yaml', {'p': '/a=b/c.yaml'}),
    ('p=gs://x/train*,q=1e-4', {'p': 'gs://x/train*', 'q': '1e-4'}),
    ("e=''", {'e': ''}),
    ("p=/it's/here", {'p': "/it's/here"}),
])
def test_parse(text, expected):
  assert _values(text) == expected


def test_quoted_text_is_not_bare():
  bare, quoted = (o.value for o in override_syntax.parse("a=1,b='1'"))
  assert isinstance(bare, override_syntax.Bare)
  assert not isinstance(quoted, override_syntax.Bare)


# In the Model Garden's own runner, each of these ends in "No such file or directory", a YAML trace
# or silence.
@pytest.mark.parametrize('text, piece, advice', [
    ('a=4,5', "'5'", 'key=[4,5]'),
    ('a=1,,b=2', 'between two commas', 'remove'),
    ('a=1,', 'an end', 'remove'),
    ('a:5', "'a:5'", 'key=value'),
    ('a: b', "'a: b'", 'key=value'),
    ('*x', "'*x'", 'key=value'),
    ('@x', "'@x'", 'key=value'),
    ('*x=1', "'*x'", 'not a dotted name'),
    ('a=5 b=3', "'a=5 b=3'", 'commas'),
    ('a=,b=1', 'a has an empty value', "a=''"),
    ('b=1,a=', 'a has an empty value', 'environment variable'),
    ('a=[1,2', "'a=[1,2'", 'without its ]'),
    ('a=1],b=2', "'a=1]'", 'without its ['),
    ('a=[1]2', "'a=[1]2'", 'continues'),
    ('a=[1,,2]', "'a=[1,,2]'", 'empty place'),
    ("a='x", "\"a='x\"", 'closing'),
    ("a='x'y", 'continues', 'quote'),
    ('a=1,a=2', 'sets a twice', 'keep one'),
    ('', 'is empty', 'key=value'),
    ('  ', 'is empty', 'key=value'),
])
def test_errors_point_at_the_piece(text, piece, advice):
  with pytest.raises(UserError) as error:
    override_syntax.parse(text)
  message = str(error.value)
  assert message.startswith('--params_override') and '\n' not in message
  assert piece in message and advice in message


def test_only_a_name_with_a_files_ending_is_a_file():
  assert override_syntax.is_file('configs/gpu.yaml') and override_syntax.is_file('x.json')
  assert not override_syntax.is_file('a=b.yaml') and not override_syntax.is_file('a:5')
