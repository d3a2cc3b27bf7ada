"""One line out of what went wrong."""

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
