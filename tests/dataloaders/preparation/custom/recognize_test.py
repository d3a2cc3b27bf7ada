"""What is not recognized is said in one sentence: what is there, and what would fit."""

import pytest

from tests.dataloaders.preparation.custom import drawn
from tf_maskformer.dataloaders.preparation.custom import recognize
from tf_maskformer.dataloaders.preparation.custom.found import Request
from tf_maskformer.errors import UserError


@pytest.mark.parametrize('names, message', [
    ([], 'is an empty folder; none of the known forms fits: COCO JSON of instances'),
    (['a.doc', 'b.doc', 'README', 'x/c.doc', 'x/d.csv'], 'holds 3 .doc, 1 no ending, 1 .csv; none'),
    (['a.a', 'b.b', 'c.c', 'd.d', 'e.e', 'f.e'], 'holds 2 .e, 1 .., 1 .., 1 ..; none')])
def test_folders_of_other_things(tmp_path, names, message):
  for name in names:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
  with pytest.raises(UserError, match=message):
    recognize.recognize(Request(images='', annotations=str(tmp_path)))


def test_a_file_of_another_kind(tmp_path):
  (tmp_path / 'a.doc').write_text('x')
  with pytest.raises(UserError, match='a.doc is a file of another kind; none of the known forms'):
    recognize.recognize(Request(images='', annotations=str(tmp_path / 'a.doc')))


def test_paths_that_do_not_exist(tmp_path):
  good, none = str(tmp_path), str(tmp_path / 'none')
  with pytest.raises(UserError, match='--images .*none does not exist; give an existing path'):
    recognize.recognize(Request(images=none, annotations=good))
  with pytest.raises(UserError, match='--annotations .*none does not exist; give an existing path'):
    recognize.recognize(Request(images=good, annotations=none))


def test_the_form_decides_and_not_the_place(tmp_path):
  drawn.image(tmp_path / 'a.png')
  drawn.coco_json(tmp_path / 'x.json', ['a.png'])
  for given in (tmp_path, tmp_path / 'x.json'):  # a folder of images, too
    found = recognize.recognize(Request(images='', annotations=str(given)))
    assert found.form == 'COCO instances JSON'
