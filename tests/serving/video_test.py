"""Frames in and out are the same, at the same time; what is damaged or not a video is one line."""

import errno
import fractions
import os
import sys

import numpy as np
import pytest

from tests.serving import videos
from tf_maskformer.dataloaders.images import MAX_PIXELS
from tf_maskformer.dataloaders.images import allow
from tf_maskformer.errors import UserError
from tf_maskformer.serving import video

pytest.importorskip('av')
NTSC = fractions.Fraction(30000, 1001)


def frames_of(path):
  with video.Source(path) as source:
    return list(source.frames())


def test_frames_and_times(tmp_path):
  frames = videos.colors(12)
  path = videos.write(tmp_path / 'a.mp4', frames, NTSC)
  with video.Source(path) as source:
    assert source.rate == NTSC and source.num_frames == 12
    found = list(source.frames())
    assert source.num_read == 12
  for number, (image, time) in enumerate(found):
    assert image.dtype == np.uint8 and image.shape == (48, 64, 3)
    assert np.abs(image.astype(int) - frames[number]).max() <= 6
    assert abs(time - number / NTSC) < 1e-4


@pytest.mark.parametrize('size', [(48, 64), (49, 65), (47, 64)])
def test_a_written_video_has_its_frames_size_and_rate(tmp_path, size):
  frames = videos.colors(30, size)
  writer = video.Writer(tmp_path / 'a.mp4', NTSC)
  for number, frame in enumerate(frames):
    writer.write(frame, float(number / NTSC))
  assert sorted(p.name for p in tmp_path.iterdir()) == ['.part-a.mp4']
  writer.close()
  assert sorted(p.name for p in tmp_path.iterdir()) == ['a.mp4']
  found, times, rate = videos.read(tmp_path / 'a.mp4')
  assert rate == NTSC and found.shape == frames.shape
  assert np.abs(found.astype(int) - frames).max() <= 6
  np.testing.assert_allclose(times, [float(n / NTSC) for n in range(30)], atol=1e-6)


def test_uneven_times_are_kept(tmp_path):
  times = [0.0, 0.04, 0.05, 0.2, 0.9]
  writer = video.Writer(tmp_path / 'a.mp4', fractions.Fraction(25))
  for frame, time in zip(videos.colors(5), times):
    writer.write(frame, time)
  writer.close()
  np.testing.assert_allclose(videos.read(tmp_path / 'a.mp4')[1], times, atol=1e-4)


def test_a_turned_video_is_upright(tmp_path):
  import av
  frames = videos.colors(3)
  frames[:, :24, :32] = 255  # upper left
  path = videos.write(tmp_path / 'a.mp4', frames)
  with av.open(str(path)) as source, av.open(str(tmp_path / 'b.mov'), 'w') as turned:
    stream = turned.add_stream_from_template(source.streams.video[0])
    for packet in source.demux(video=0):
      if packet.dts is not None:
        packet.stream = stream
        turned.mux(packet)
  data = (tmp_path / 'b.mov').read_bytes()
  as_it_is = matrix(1, 0, 0, 1)
  place = data.rindex(as_it_is)
  turned = data[:place] + matrix(0, 1, -1, 0) + data[place + len(as_it_is):]
  (tmp_path / 'b.mov').write_bytes(turned)  # a quarter turn to the right
  image, _ = frames_of(tmp_path / 'b.mov')[0]
  assert image.shape == (64, 48, 3)
  assert image[:30, 26:].min() > 240 and image[40:].max(axis=2).min() < 252
  assert image[10, 10].min() < 200  # the white corner is now upper right


def matrix(a, b, c, d):
  """Returns a display matrix as MP4 holds it."""
  values = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
  return b''.join(value.to_bytes(4, 'big', signed=True) for value in values)


@pytest.mark.parametrize('content, message', [
    (b'', 'video .*a.mp4 cannot be opened'),
    (b'not a video' * 99, 'cannot be opened .Invalid data'),
    (None, 'cannot be opened .No such file')])
def test_what_is_not_a_video(tmp_path, content, message):
  if content is not None:
    (tmp_path / 'a.mp4').write_bytes(content)
  with pytest.raises(video.CannotOpen, match=message):
    video.Source(tmp_path / 'a.mp4')


def test_sound_alone(tmp_path):
  import av
  with av.open(str(tmp_path / 'a.mp4'), 'w') as container:
    stream = container.add_stream('aac', rate=8000)
    sound = av.AudioFrame.from_ndarray(np.zeros([1, 1024], np.float32), 'fltp', 'mono')
    sound.rate = 8000
    for packet in [*stream.encode(sound), *stream.encode(None)]:
      container.mux(packet)
  with pytest.raises(video.CannotOpen, match='a.mp4 has no frames'):
    video.Source(tmp_path / 'a.mp4')


@pytest.mark.parametrize('share', [0.3, 0.6, 0.9])
def test_a_video_that_is_cut_off(tmp_path, share):
  noise = np.random.default_rng(0).integers(0, 256, [40, 48, 64, 3], np.uint8)
  path = videos.write(tmp_path / 'a.mp4', noise)
  data = path.read_bytes()
  index = data.rindex(b'moov') - 4  # at the end, without which nothing can be read
  path.write_bytes(data[:int(share * index)])
  with pytest.raises(video.CannotOpen, match='a.mp4 cannot be opened .Invalid data'):
    video.Source(path)
  path.write_bytes(data[:int(share * index)] + bytes(index - int(share * index)) + data[index:])
  with pytest.raises(UserError, match='a.mp4 (is damaged at|cannot be decoded after) frame'):
    frames_of(path)


def test_a_video_without_its_end(tmp_path):
  pixels = np.random.default_rng(0).integers(0, 256, [40, 48, 64, 3], np.uint8)
  with_index_first = videos.write(tmp_path / 'b.mp4', pixels, container={'movflags': 'faststart'})
  data = with_index_first.read_bytes()
  with_index_first.write_bytes(data[:len(data) * 2 // 3])
  with pytest.raises(UserError, match='b.mp4 (is cut off: it states 40 frames|cannot be decoded)'):
    frames_of(with_index_first)


def test_a_video_that_changes_its_size(tmp_path):
  one = videos.write(tmp_path / 'a.ts', videos.colors(5)).read_bytes()
  other = videos.write(tmp_path / 'b.ts', videos.colors(5, (32, 32))).read_bytes()
  (tmp_path / 'both.ts').write_bytes(one + other)
  with pytest.raises(UserError, match='changes its size at frame 5, from 64 x 48 to 32 x 32'):
    frames_of(tmp_path / 'both.ts')


def test_too_many_pixels(tmp_path):
  path = videos.write(tmp_path / 'a.mp4', videos.colors(2))
  allow(3000)
  try:
    with pytest.raises(UserError, match=r'too many pixels \(64 x 48, more than 3000\); --max_pix'):
      video.Source(path)
  finally:
    allow(MAX_PIXELS)


def test_a_webcam_that_is_not_there():
  with pytest.raises(video.CannotOpen, match='webcam /dev/video987 is not there; connected: '):
    video.Source('/dev/video987', is_webcam=True)


def test_a_full_disk(tmp_path):
  (tmp_path / '.part-a.mp4').symlink_to('/dev/full')
  writer = video.Writer(tmp_path / 'a.mp4', NTSC)
  noise = np.random.default_rng(0).integers(0, 256, [30, 200, 200, 3], np.uint8)
  with pytest.raises(OSError) as full:
    for number, frame in enumerate(noise):
      writer.write(frame, number / 30)
    writer.close()
  assert full.value.errno == errno.ENOSPC
  writer.discard()
  assert not os.listdir(tmp_path)


def test_a_video_that_is_discarded(tmp_path):
  writer = video.Writer(tmp_path / 'a.mp4', NTSC)
  writer.discard()
  writer.close()
  writer.write(videos.colors(1)[0], 0.0)
  writer.discard()
  assert not os.listdir(tmp_path)


def test_pyav_is_missing(monkeypatch, tmp_path):
  monkeypatch.setitem(sys.modules, 'av', None)
  with pytest.raises(UserError, match=r'av is not installed; run: .*tf-maskformer\[video\]'):
    video.Source(tmp_path / 'a.mp4')
