"""Images and labels are paired by one rule for all, or the error says what is missing."""

import pytest

from tf_maskformer.dataloaders.preparation.custom import pairs
from tf_maskformer.errors import UserError


def write(root, names):
  for name in names:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'')


def found(root, images, labels, **options):
  """Returns (image, label) of files that are written to images/ and labels/."""
  write(root / 'images', images)
  write(root / 'labels', labels)
  result = pairs.find(f'{root}/images', f'{root}/labels', **options)
  return [(pair.image, pair.label) for pair in result.pairs], result


@pytest.mark.parametrize('image, label', [
    ('{}.jpg', '{}.png'), ('{}.JPG', '{}.TIF'), ('{}.png', '{}_mask.png'),
    ('ulm/{}_leftImg8bit.png', 'ulm/{}_gtFine_labelIds.png'), ('{}TP.png', '{}TP_L.png'),
    ('img_{}.png', 'mask_{}.png'), ('image{}.png', 'label{}.png'), ('{}.jpg', '{}.jpg.png'),
    ('day 1/{}.jpg', 'day 1/{}.png'), ('deep/er/{}.jpg', '{}.png'), ('{}.jpg', '{} (gt).png')])
def test_rules_are_found_out(tmp_path, image, label):
  numbers = ('001', '002', '010', '0100')
  given = [(image.format(number), label.format(number)) for number in numbers]
  paired, result = found(tmp_path, *zip(*given))
  assert sorted(paired) == sorted(given)
  assert len(result.said()) == 1 and ': 4' in result.said()[0]


def test_one_image(tmp_path):
  paired, _ = found(tmp_path, ['a_leftImg8bit.png'], ['a_gtFine_labelIds.png'])
  assert paired == [('a_leftImg8bit.png', 'a_gtFine_labelIds.png')]


def test_hidden_files_and_others_are_not_images(tmp_path):
  write(tmp_path, ['images/._a.jpg', 'images/__MACOSX/b.jpg', 'images/Thumbs.db', 'labels/a.txt'])
  paired, result = found(tmp_path, ['a.jpg'], ['a.png'])
  assert paired == [('a.jpg', 'a.png')] and not result.images_alone


def test_what_is_alone_is_said(tmp_path):
  paired, result = found(tmp_path, ['a.jpg', 'b.jpg', 'c.jpg'], ['a.png', 'b.png', 'd.png'])
  assert len(paired) == 2
  assert result.said()[1:] == ['left out, images without a label: 1 (c.jpg)',
                               'left out, labels without an image: 1 (d.png)']


@pytest.mark.parametrize('names, image, label', [
    (['a.jpg', 'b.jpg', 'a.png', 'b.png'], 'a.jpg', 'a.png'),
    (['a.png', 'b.png', 'a_mask.png', 'b_mask.png'], 'a.png', 'a_mask.png'),
    (['train/images/a.png', 'train/masks/a.png', 'val/images/b.png', 'val/masks/b.png'],
     'train/images/a.png', 'train/masks/a.png')])
def test_one_folder_for_both(tmp_path, names, image, label):
  write(tmp_path, names)
  result = pairs.find(str(tmp_path), f'{tmp_path}/')
  assert [tuple(pair[1:]) for pair in result.pairs][0] == (image, label)
  assert len(result.pairs) == 2 and not result.images_alone and not result.labels_alone


def test_one_folder_by_two_paths(tmp_path, monkeypatch):
  write(tmp_path, ['a/x.png', 'a/x_mask.png', 'a/y.png', 'a/y_mask.png', 'a/masks/y.png'])
  (tmp_path / 'link').symlink_to('a')
  monkeypatch.chdir(tmp_path)
  for images, labels in (('a', f'{tmp_path}/a'), ('./a/', 'link')):
    result = pairs.find(images, labels, '_mask')
    assert [pair.label for pair in result.pairs] == ['x_mask.png', 'y_mask.png']
  result = pairs.find('link', 'a/masks')
  assert [pair.image for pair in result.pairs] == ['y.png']
  assert 'masks/y.png' not in result.images_alone


def test_letters_may_be_written_in_two_ways(tmp_path):
  composed = 'caf\u00e9'
  decomposed = 'cafe\u0301'
  paired, _ = found(tmp_path, [f'{composed}.jpg', 'IMG_1.JPG'], [f'{decomposed}.png', 'img_1.png'])
  assert paired == [('IMG_1.JPG', 'img_1.png'), (f'{composed}.jpg', f'{decomposed}.png')]


def test_a_folder_in_the_other(tmp_path):
  write(tmp_path, ['a.png', 'b.png', 'masks/a.png', 'masks/b.png'])
  result = pairs.find(str(tmp_path), f'{tmp_path}/masks')
  assert [pair.image for pair in result.pairs] == ['a.png', 'b.png']
  assert not result.images_alone


def test_several_labels_of_an_image(tmp_path):
  images = ['a_leftImg8bit.png', 'b_leftImg8bit.png']
  labels = [
      f'{name}_gtFine_{kind}.png' for name in 'ab' for kind in ('color', 'labelIds', 'instanceIds')]
  with pytest.raises(UserError, match='end in _gtFine_color, _gtFine_instanceIds, _gtFine_labelI'):
    found(tmp_path, images, labels)
  for options in ({'label_suffix': '_gtFine_labelIds.png'}, {'label_suffix': '_gtFine_labelIds'},
                  {'preferred': 'labelids'}):
    paired, _ = found(tmp_path, images, labels, **options)
    assert [label for _, label in paired] == ['a_gtFine_labelIds.png', 'b_gtFine_labelIds.png']


def test_the_same_name_comes_first(tmp_path):
  paired, _ = found(tmp_path, ['a.jpg', 'b.jpg'], ['a.png', 'b.png', 'a_color.png', 'b_color.png'])
  assert [label for _, label in paired] == ['a.png', 'b.png']


@pytest.mark.parametrize('images, labels, message', [
    (['x.jpg'], ['y.png'], r'no image of .*/images \(x.jpg\) has a label in .*/labels \(y.png\)'),
    (['x.jpg'], [], r'\(none\) by its name; give --label_suffix'),
    (['a.jpg', 'b.jpg', 'c.jpg'], ['a_m.png', 'b_m.png', 'd_m.png'],
     r'not paired: 1 of the images \(c.jpg\) and 1 of the labels \(d_m.png\); give --label_suffix'),
    (['a.jpg'], ['a.png', 'a.tif'], 'a.png, a.tif are labels of one name; remove one'),
    (['a.jpg', 'a.png'], ['a.png'], 'a.jpg, a.png are images of one name')])
def test_what_is_refused(tmp_path, images, labels, message):
  with pytest.raises(UserError, match=message):
    found(tmp_path, images, labels)


def test_a_given_suffix_leaves_out(tmp_path):
  labels = ['a_m.png', 'b_m.png', 'd_m.png', 'a_m.tif']
  paired, result = found(tmp_path, ['a.jpg', 'b.jpg', 'c.jpg'], labels, label_suffix='_m.png')
  assert paired == [('a.jpg', 'a_m.png'), ('b.jpg', 'b_m.png')]
  assert (result.images_alone, result.labels_alone) == (['c.jpg'], ['d_m.png'])


def test_images_without_labels(tmp_path):
  write(tmp_path, ['a.jpg', 'b.jpg'])
  with pytest.raises(UserError, match=r'\(a.jpg, b.jpg\) and no label .* with --images and --ann'):
    pairs.find(str(tmp_path), str(tmp_path))


def test_a_name_that_is_not_utf_8(tmp_path):
  write(tmp_path, ['images/a.jpg', 'labels/a.png'])
  with open(bytes(tmp_path) + b'/images/b\xff.jpg', 'wb'):
    pass
  with pytest.raises(UserError, match=r"a name that is not UTF-8 \(b'b.xff.jpg'\); rename it"):
    pairs.find(f'{tmp_path}/images', f'{tmp_path}/labels')


@pytest.mark.parametrize('name, split', [
    ('train/a.png', 'train'), ('images/Validation/a.png', 'val'), ('a/test/b.png', 'test'),
    ('training.png', ''), ('a.png', '')])
def test_split_of_a_path(name, split):
  assert pairs.split_of(name) == split
