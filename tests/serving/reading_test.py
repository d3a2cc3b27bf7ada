"""Files, frames and standard input come in order; what cannot be read is said and left out."""

import io
import pathlib
import re
import sys
import types

import numpy as np
import pytest
from PIL import Image

from tests.serving import videos
from tf_maskformer.errors import UserError
from tf_maskformer.serving import video
from tf_maskformer.serving.image_files import ImageFile
from tf_maskformer.serving.reading import Reader


def image_file(folder, name):
  Image.fromarray(np.full([5, 7, 3], len(name), np.uint8)).save(folder / name)
  return ImageFile(folder / name, pathlib.Path(name).stem)


def clip(folder, name, count):
  videos.write(folder / name, videos.colors(count))
  return ImageFile(folder / name, pathlib.Path(name).stem, 'video')


def test_images_and_frames(tmp_path):
  pytest.importorskip('av')
  files = [image_file(tmp_path, 'a.png'), clip(tmp_path, 'street.mp4', 3),
           image_file(tmp_path, 'b.png')]
  reader = Reader(files)
  assert reader.total == 5 and reader.unit == 'image'
  items = list(reader)
  assert [item.name for item in items] == [
      'a', 'street/000000', 'street/000001', 'street/000002', 'b']
  assert [round(item.time, 3) for item in items] == [0, 0, 0.04, 0.08, 0]
  assert items[1].clip is items[3].clip is not None and items[4].clip is None
  assert items[1].image.shape == (48, 64, 3) and items[0].image.shape == (5, 7, 3)
  assert not reader.refused and not reader.is_at_last_webcam


def test_the_first_frames(tmp_path):
  pytest.importorskip('av')
  reader = Reader([clip(tmp_path, 'a.mp4', 9)], max_frames=4)
  assert reader.total == 4 and reader.unit == 'frame'
  assert len(list(reader)) == 4 and not reader.refused


def test_what_cannot_be_read_is_left_out(tmp_path):
  pytest.importorskip('av')
  (tmp_path / 'no.mp4').write_bytes(b'no video')
  (tmp_path / 'no.png').write_bytes(b'no image')
  files = [ImageFile(tmp_path / 'no.mp4', 'no', 'video'), ImageFile(tmp_path / 'no.png', 'no'),
           image_file(tmp_path, 'a.png')]
  reader = Reader(files)
  assert [item.name for item in reader] == ['a']
  assert len(reader.refused) == 2 and 'no.mp4 cannot be opened' in reader.refused[0]
  with pytest.raises(UserError, match='no.mp4 cannot be opened'):
    Reader(files[:1])


def test_a_damaged_video_is_known_before_what_follows(tmp_path):
  pytest.importorskip('av')
  frames = np.random.default_rng(0).integers(0, 256, [30, 48, 64, 3], np.uint8)
  path = videos.write(tmp_path / 'a.mp4', frames)
  data = path.read_bytes()
  index = data.rindex(b'moov') - 4
  path.write_bytes(data[:index // 2] + bytes(index - index // 2) + data[index:])
  damaged = ImageFile(path, 'a', 'video')
  reader = Reader([damaged, image_file(tmp_path, 'b.png')])
  items = list(reader)
  assert 0 < len(items) < 31 and items[-1].name == 'b'
  assert items[0].clip.failure and items[0].clip.failure in reader.refused[0]


def test_a_webcam(tmp_path, monkeypatch):
  pytest.importorskip('av')
  monkeypatch.setattr(video, '_WEBCAM_FORMAT', 'mp4')  # a file stands in for the device
  videos.write(tmp_path / 'camera.mp4', videos.colors(4))
  reader = Reader([ImageFile(tmp_path / 'camera.mp4', 'webcam_0', 'webcam')])
  assert reader.total is None
  items = iter(reader)
  assert next(items).name == 'webcam_0/000000' and reader.is_at_last_webcam
  assert len(list(items)) == 3


def standard_input(monkeypatch, data):
  stream = types.SimpleNamespace(buffer=io.BytesIO(data), isatty=lambda: False)
  monkeypatch.setattr(sys, 'stdin', stream)
  return Reader([ImageFile(pathlib.Path('-'), 'stdin', 'stdin')])


def test_standard_input(monkeypatch):
  data = io.BytesIO()
  Image.fromarray(np.zeros([4, 6, 3], np.uint8)).save(data, 'PNG')
  item, = standard_input(monkeypatch, data.getvalue())
  assert item.name == 'stdin' and item.image.shape == (4, 6, 3)


@pytest.mark.parametrize('data, message', [
    (b'', 'standard input .*is empty'), (b'a list of names\n', 'standard input cannot be decoded')])
def test_standard_input_without_an_image(monkeypatch, data, message):
  reader = standard_input(monkeypatch, data)
  assert not list(reader)
  refused, = reader.refused
  assert re.search(message, refused)


def test_a_terminal(monkeypatch):
  reader = standard_input(monkeypatch, b'')
  monkeypatch.setattr(sys.stdin, 'isatty', lambda: True)
  assert not list(reader) and 'which is a terminal' in reader.refused[0]
