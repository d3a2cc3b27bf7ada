"""Files of images, frames as a video, JSON of all; nothing half-written, however it ends."""

import errno
import fractions
import json
import os
import pathlib

import numpy as np
import pytest
from PIL import Image

from tests.serving import result_test
from tests.serving import videos
from tf_maskformer.serving import image_files
from tf_maskformer.serving import saving
from tf_maskformer.serving.image_files import ImageFile
from tf_maskformer.serving.reading import Clip
from tf_maskformer.serving.reading import Item
from tf_maskformer.serving.result import Result
from tf_maskformer.serving.saving import Predicted

CLIP = ImageFile(pathlib.Path('street.mp4'), 'street', 'video')


def frames(count, clip=None):
  """Returns frames of a clip and their results, which the images of the frames tell apart."""
  clip = clip or Clip(CLIP, fractions.Fraction(10))
  pairs = []
  for number, image in enumerate(videos.colors(count)):
    id_map = np.zeros(image.shape[:2], np.int32)
    id_map[10:30, 5 + number:25 + number] = 1
    shown = [{'id': 1, 'category_id': 0, 'isthing': True, 'score': 0.9}]
    result = Result('image', image, id_map, shown, result_test.DATA_SET, 'panoptic')
    name = f'{clip.file.name}/{number:06d}'
    pairs.append(Predicted(Item(name, image, clip.file, clip, number / 10), result))
  return pairs


def saver(folder, files=(CLIP,), names=('overlay',), frame_names=('overlay',), **choice):
  folder.mkdir(exist_ok=True)
  made = saving.Saver(folder, files, saving.Choice(names, frame_names, **choice))
  made.start()
  return made


def add(to, found):
  for predicted in found:
    to.finish(predicted, to.prepare(predicted))


def listed(folder):
  return sorted(str(p.relative_to(folder)) for p in folder.rglob('*') if p.is_file())


def test_a_video_of_overlays(tmp_path):
  pytest.importorskip('av')
  made = saver(tmp_path / 'out')
  pairs = frames(8)
  add(made, pairs)
  assert listed(tmp_path / 'out') == ['.part-street_overlay.mp4']
  made.end(is_interrupted=False)
  assert listed(tmp_path / 'out') == ['street_overlay.mp4']
  assert made.said == [f'{tmp_path}/out/street_overlay.mp4: 8 frames, without sound']
  found, times, rate = videos.read(tmp_path / 'out/street_overlay.mp4')
  assert rate == 10 and np.allclose(times, np.arange(8) / 10)
  for image, predicted in zip(found, pairs):
    plain = predicted.item.image.astype(int)
    drawn = np.asarray(predicted.result.draw(legend=False, enlarged=False)).astype(int)
    assert image.shape == plain.shape
    assert np.abs(image - drawn).mean() < 12 < np.abs(image - plain)[12:28].mean()


def test_two_videos_and_an_image_between(tmp_path):
  pytest.importorskip('av')
  Image.fromarray(np.zeros([20, 30, 3], np.uint8)).save(tmp_path / 'a.png')
  file = ImageFile(tmp_path / 'a.png', 'a')
  other = ImageFile(pathlib.Path('night.mp4'), 'deep/night', 'video')
  made = saver(tmp_path / 'out', (CLIP, file, other), ('png', 'coco_panoptic'))
  result = result_test.panoptic()
  add(made, frames(3))
  add(made, [Predicted(Item('a', result.image, file), result)])
  assert 'street_overlay.mp4' in listed(tmp_path / 'out')
  add(made, frames(4, Clip(other, fractions.Fraction(25))))
  made.end(is_interrupted=False)
  assert listed(tmp_path / 'out') == [
      'a.png', 'deep/night_overlay.mp4', 'predictions.json', 'street_overlay.mp4']
  assert (made.num_images, made.num_frames) == (1, 7)
  rows = json.loads((tmp_path / 'out/predictions.json').read_text())['annotations']
  assert [row['image_id'] for row in rows] == ['a']


def test_frames_as_images(tmp_path):
  made = saver(tmp_path / 'out', frame_names=('coco_panoptic', 'labelme', 'fiftyone'))
  add(made, frames(2))
  made.end(is_interrupted=False)
  assert listed(tmp_path / 'out') == [
      'fiftyone/data.json', 'fiftyone/labels.json', 'predictions.json', 'street/000000.json',
      'street/000000.png', 'street/000000_image.jpg', 'street/000001.json', 'street/000001.png',
      'street/000001_image.jpg']
  content = json.loads((tmp_path / 'out/street/000001.json').read_text())
  assert content['imagePath'] == '000001_image.jpg'
  stored = np.asarray(Image.open(tmp_path / 'out/street/000001_image.jpg')).astype(int)
  assert np.abs(stored - videos.colors(2)[1]).max() <= 4
  places = json.loads((tmp_path / 'out/fiftyone/data.json').read_text())
  assert places['street/000001_image.jpg'] == f'{tmp_path}/out/street/000001_image.jpg'


def test_the_path_in_a_json_leads_to_the_image(tmp_path):
  (tmp_path / 'in').mkdir()
  result = result_test.panoptic()
  Image.fromarray(result.image).save(tmp_path / 'in/street.png')
  file, = image_files.find([str(tmp_path / 'in')], tmp_path / 'out')
  made = saver(tmp_path / 'out', (file,), ('labelme',))
  add(made, [Predicted(Item('deep/street', result.image, file), result)])
  stated = json.loads((tmp_path / 'out/deep/street.json').read_text())['imagePath']
  assert (tmp_path / 'out/deep' / stated).resolve() == tmp_path / 'in/street.png'
  assert listed(tmp_path / 'out') == ['deep/street.json']


def test_the_choice_is_for_every_file(tmp_path):
  file = ImageFile(tmp_path / 'street.png', 'street')
  names = ('png', 'labels', 'coco_panoptic', 'coco', 'labelme', 'supervision')
  made = saver(tmp_path / 'out', (file,), names, classes=[1], threshold=0.8)
  result = result_test.panoptic()
  add(made, [Predicted(Item('street', result.image, file), result)])
  made.end(is_interrupted=False)
  found = [json.loads((tmp_path / f'out/{name}.json').read_text())
           for name in ('predictions', 'coco_results', 'street', 'supervision')]
  assert [s['id'] for s in found[0]['annotations'][0]['segments_info']] == [3]
  assert [row['category_id'] for row in found[1]] == [18]
  assert {shape['group_id'] for shape in found[2]['shapes']} == {3}
  assert [row['category_id'] for row in found[3]['annotations']] == [18]
  assert set(np.unique(np.asarray(Image.open(tmp_path / 'out/street_labels.png')))) == {1, 255}


def test_an_interrupted_video_ends_with_its_last_frame(tmp_path):
  pytest.importorskip('av')
  made = saver(tmp_path / 'out')
  add(made, frames(9)[:5])
  made.end(is_interrupted=True)
  assert listed(tmp_path / 'out') == ['street_overlay.mp4']
  assert len(videos.read(tmp_path / 'out/street_overlay.mp4')[0]) == 5
  assert made.said[0].endswith('5 frames, without sound; interrupted, street.mp4 may have more')


@pytest.mark.parametrize('is_damaged', [True, False])
def test_nothing_remains_of_a_damaged_or_abandoned_video(tmp_path, is_damaged):
  pytest.importorskip('av')
  made = saver(tmp_path / 'out')
  pairs = frames(5)
  add(made, pairs)
  if is_damaged:
    pairs[0].item.clip.failure = 'is cut off'
    made.end(is_interrupted=False)
  else:
    made.abandon()
  assert not listed(tmp_path / 'out') and not made.said
  assert made.where == ('' if is_damaged else f'; {tmp_path}/out/street_overlay.mp4 is removed')


def test_a_folder_that_is_gone_is_not_made_again(tmp_path):
  made = saver(tmp_path / 'out')
  os.rmdir(tmp_path / 'out')
  with pytest.raises(OSError) as gone:
    made.prepare(frames(1)[0])
  assert gone.value.errno == errno.ENOENT
  assert not (tmp_path / 'out').exists()
