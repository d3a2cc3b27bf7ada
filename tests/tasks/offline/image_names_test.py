"""Which image a prediction is of."""

import pytest

from tf_maskformer.errors import UserError
from tf_maskformer.tasks.offline.image_names import ImageNames

IMAGES = [('1', 'x/IMG_1.jpg'), ('2', 'x/IMG_2.jpg'), ('3', 'y/IMG_2.jpg'), ('a', '')]


@pytest.mark.parametrize('written, found', [
    (['2', '1'], ['2', '1']),
    (['IMG_1'], ['1']),
    (['x/IMG_2', 'y/IMG_2'], ['2', '3']),
    (['elsewhere/IMG_1', 'a'], ['1', 'a'])])
def test_ids_and_files(written, found):
  assert ImageNames(IMAGES).find(written, 'p') == dict(zip(written, found))


@pytest.mark.parametrize('written, message', [
    (['IMG_2'], 'does not have: IMG_2'),  # two have it
    (['1', 'z'], 'does not have: z'),
    (['1', 'IMG_1'], 'two predictions of image 1, 1 and IMG_1')])
def test_refused(written, message):
  with pytest.raises(UserError, match=message):
    ImageNames(IMAGES).find(written, 'p')


def test_ids_that_are_the_names_of_other_images():
  names = ImageNames([('1', '2.jpg'), ('2', '1.jpg')])
  with pytest.raises(UserError, match='ids of images or names of files'):
    names.find(['1', '2'], 'p')
  agreeing = ImageNames([('1', '000001.jpg'), ('2', '2.jpg')])
  assert agreeing.find(['1', '2'], 'p') == {'1': '1', '2': '2'}


def test_missing():
  with pytest.raises(UserError, match='p has no prediction of 2 of 4 images: 2, 3'):
    ImageNames(IMAGES).require_all(['1', 'a'], 'p')
  ImageNames(IMAGES).require_all(['1', '2', '3', 'a'], 'p')
