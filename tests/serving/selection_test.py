"""Classes are meant by name, other name or id; a wrong one is answered with the nearest."""

import pytest

from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.errors import UserError
from tf_maskformer.serving import selection

DATA_SET = DataSet('pets', (
    Class(17, 'cat', True, (255, 0, 0)), Class(18, 'dog', True, (0, 255, 0), aliases=('hound',)),
    Class(1, 'door, double', False, (0, 0, 255)), Class(3, '90', False, (0, 0, 0))))


@pytest.mark.parametrize('texts, classes', [
    (['cat'], {0}), (['Hound'], {1}), (['18'], {1}), (['1', 'cat'], {0, 2}), (['cat,dog'], {0, 1}),
    (['door, double'], {2}), (['90'], {3}), (['17, hound'], {0, 1})])
def test_classes(texts, classes):
  assert selection.classes(texts, DATA_SET) == classes


@pytest.mark.parametrize('text, message', [
    ('cta', "class 'cta' is unknown; did you mean cat"), ('19', 'no class of pets has the id 19'),
    ('0', 'ids are 1 to 18'), ('', "class '' is unknown"), ('9' * 400, 'has the id 999')])
def test_mistakes(text, message):
  with pytest.raises(UserError, match=message):
    selection.classes([text], DATA_SET)
