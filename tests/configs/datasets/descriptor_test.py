"""Label maps: rows as they should be, and every other kind refused."""

import pytest

from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.errors import UserError

GOOD = {'id': 7, 'name': 'a', 'isthing': 1, 'color': [0, 128, 255]}


def test_rows():
  assert descriptor.classes_of([GOOD], 'x') == (descriptor.Class(7, 'a', True, (0, 128, 255)),)


@pytest.mark.parametrize('rows, problem', [
    ([], 'a list of 1 to 65535 classes'), ({}, 'a list of'), (None, 'a list of'),
    ([GOOD] * 65536, 'a list of'), ([3], 'class 0 is not a group'),
    ([GOOD, GOOD], 'class 1: id 7 is given twice'), ([{**GOOD, 'id': -1}], 'id is not'),
    ([{**GOOD, 'id': 2**31}], 'id is not'), ([{**GOOD, 'id': True}], 'id is not'),
    ([{'name': 'a'}], 'id is not'), ([{**GOOD, 'name': 3}], 'name is not'),
    ([{**GOOD, 'isthing': 2}], 'isthing is'), ([{**GOOD, 'isthing': [1]}], 'isthing is'),
    ([{**GOOD, 'color': [1, 2]}], 'color is'), ([{**GOOD, 'color': [1, 2, 256]}], 'color is'),
    ([{**GOOD, 'color': [1, 2, 0.5]}], 'color is'), ([{**GOOD, 'color': 'red'}], 'color is')])
def test_other_rows(rows, problem):
  with pytest.raises(UserError, match=problem):
    descriptor.classes_of(rows, 'x')
