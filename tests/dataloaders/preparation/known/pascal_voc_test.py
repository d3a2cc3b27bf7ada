"""Pascal VOC: lists of SBD, objects of several classes, the palette."""

import numpy as np
import pytest
from PIL import Image

from tests.dataloaders.preparation.known import miniatures
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import prepare_data


@pytest.fixture(name='root')
def draw(tmp_path):
  miniatures.pascal_voc(tmp_path, 'semantic')
  return tmp_path / 'VOCdevkit/VOC2012'


def prepare(root, task, *flags):
  prepare_data.main(['pascal_voc', f'--root={root}', f'--task={task}', '--workers=1',
                     f'--output={root}/records', *flags])


def test_trainaug(root):
  """Lists with paths of images and labels, as SBD's are passed around, and labels of one gray."""
  lists = root / 'ImageSets/Segmentation'
  (lists / 'trainaug.txt').write_text(''.join(
      f'/JPEGImages/{name}.jpg /SegmentationClassAug/{name}.png\n'
      for name in ('2007_000032', '2008_000002')))
  flags = ['--lists=trainaug,val', '--split=train']
  # Without the labels of SBD half of the images could be used, with the wrong ones.
  (root / 'SegmentationClass/2007_000032.png').rename(root / 'kept.png')
  with pytest.raises(UserError, match='2 of the 2 images of .*trainaug.txt have no label in .*SBD'):
    prepare(root, 'semantic', *flags)
  (root / 'SegmentationClassAug').mkdir()
  for name in ('2007_000032', '2008_000002'):
    label = np.zeros(miniatures.SIZE, np.uint8)
    label[:20] = 15
    label[20:22] = 255
    Image.fromarray(label).save(root / f'SegmentationClassAug/{name}.png')
  prepare(root, 'semantic', *flags)
  truth = GroundTruth(f'{root}/records/train*', 'pascal_voc')
  for example_id in truth.example_ids:
    _, segments = truth[example_id]
    assert {s['category_id']: s['area'] for s in segments} == {0: 26 * 64, 15: 20 * 64}
  assert len(truth) == 2
  with pytest.raises(UserError, match='have no instances'):
    (root / 'SegmentationObject/2007_000032.png').unlink()
    prepare(root, 'instance', *flags)
  with pytest.raises(UserError, match='train_aug.txt is missing; it comes from SBD'):
    prepare(root, 'semantic', '--lists=train_aug,val')


@pytest.mark.parametrize('text, message', [
    (b'', 'names no image'), (b'a\nb\na\n', 'names a twice'), (b'a \xe4', 'it is not UTF-8')])
def test_lists_that_cannot_be_used(root, text, message):
  (root / 'ImageSets/Segmentation/train.txt').write_bytes(text)
  with pytest.raises(UserError, match=f'train.txt .*{message}'):
    prepare(root, 'semantic')


def test_objects_of_several_classes(root, capsys):
  objects = np.zeros(miniatures.SIZE, np.uint8)
  objects[:10] = 1
  objects[20:30] = 2
  classes = np.zeros(miniatures.SIZE, np.uint8)
  classes[:9] = 8
  classes[9] = 12
  Image.fromarray(objects).save(root / 'SegmentationObject/2007_000033.png')
  Image.fromarray(classes).save(root / 'SegmentationClass/2007_000033.png')
  prepare(root, 'instance', '--split=val')
  assert 'object 2 has no class in SegmentationClass' in capsys.readouterr().out
  objects[objects == 2] = 0
  Image.fromarray(objects).save(root / 'SegmentationObject/2007_000033.png')
  prepare(root, 'instance', '--split=val')
  assert '1 objects of several classes, taken for the one of most' in capsys.readouterr().out
  truth = GroundTruth(f'{root}/records/val*', 'pascal_voc_instance')
  found = {truth.source_id(e): truth.instances(e) for e in truth.example_ids}['2007_000033']
  assert [(i['category_id'], i['area']) for i in found] == [(7, 640)]


def test_the_colors_are_those_of_the_devkit():
  """Bit 7 - k of red, green and blue are bits 3k, 3k + 1 and 3k + 2 of the class."""
  for i, c in enumerate(catalog.get('pascal_voc').classes):
    bits = [(i >> b) & 1 for b in range(6)]
    wanted = tuple(128 * bits[ch] + 64 * bits[ch + 3] for ch in range(3))
    assert c.color == wanted
