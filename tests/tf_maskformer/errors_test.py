"""One line out of what went wrong."""

import errno

import pytest

from tf_maskformer import errors

STEP = """Graph execution error:

Detected at node defined at (most recent call last):
  File "x.py", line 1, in <module>

Unknown image file format. One of JPEG, PNG, GIF, BMP, WebP required.
\t [[{{node decode_image/DecodeImage}}]]
\t [[MultiDeviceIteratorGetNextFromShard]] [Op:__inference__step_1]"""
ROOTS = """Graph execution error:

2 root error(s) found.
  (0) INVALID_ARGUMENT:  assertion failed: [image 7 has a class outside 0 to 6]
\t [[{{node Assert}}]]
  (1) CANCELLED:  stopped
0 successful operations.
0 derived errors ignored. [Op:__inference]"""


@pytest.mark.parametrize('message, wanted', [
    ('{{function_node __wrapped__IteratorGetNext}} corrupted record at 12 '
     '[Op:IteratorGetNext] name: ',
     'corrupted record at 12'),
    (STEP, 'Unknown image file format. One of JPEG, PNG, GIF, BMP, WebP required.'),
    (ROOTS, 'image 7 has a class outside 0 to 6'),
    ('', ''),
])
def test_explain(message, wanted):
  assert errors.explain(message) == wanted


def test_unknown_names_the_nearest_or_all():
  error = errors.unknown('pixel decoder', 'fnp', ['fpn', 'transformer_fpn'])
  assert 'did you mean fpn?' in str(error)
  assert str(errors.unknown('x', 'zzz', ['b', 'a'])).endswith('known: a, b')


@pytest.mark.parametrize('text, wanted', [
    ('a\nb\r\tc', r'a\nb\r\tc'),
    ('\x1b[2J red \x7f', r'\x1b[2J red \x7f'),
    ('\u202eabc\u2028', r'\u202eabc\u2028'),
    ('half \ud800', r'half \ud800'),
    ('Straße 道路', 'Straße 道路'),
])
def test_a_message_is_one_printable_line(text, wanted):
  assert errors.one_line(text) == wanted
  assert str(errors.UserError(text)) == wanted
  wanted.encode('utf-8')


def test_a_long_message_keeps_its_head_and_its_tail():
  text = str(errors.UserError('head ' + 'x' * 10**6 + ' tail'))
  assert len(text) < 4100
  assert text.startswith('head xxx') and text.endswith('xxx tail')
  assert f'({10**6 + 10 - 4000} characters)' in text


def test_the_reason_of_a_refusal():
  import tensorflow as tf
  assert errors.reason(OSError(errno.ENOSPC, 'x')) == 'No space left on device'
  long = '{{function_node __wrapped__SaveV2_dtypes_394}} ' + 'folder/' * 60
  full = tf.errors.ResourceExhaustedError(None, None, f'{long}part; No space left on device')
  assert errors.reason(full) == 'No space left on device'
  assert errors.is_of_file_system(full) and errors.is_of_file_system(OSError())
  assert not errors.is_of_file_system(ValueError())
