"""Small videos for tests, made by PyAV alone."""

import fractions
import pathlib

import numpy as np

SIZE = (48, 64)


def colors(count, size=SIZE):
  """Returns frames of one color each, uint8 [count, height, width, 3], no two alike."""
  frames = np.zeros([count, *size, 3], np.uint8)
  for number in range(count):
    frames[number] = (40 + 150 * (number % 2), 10 * (number % 20), 250 - 12 * (number % 20))
  return frames


def write(path, frames, rate=fractions.Fraction(25), container=None):
  """Writes frames, uint8 [n, height, width, 3]; `container` has options of the file's form."""
  import av
  with av.open(str(path), 'w', options=container or {}) as target:
    stream = target.add_stream('libx264', rate=rate)
    stream.height, stream.width = frames[0].shape[:2]
    stream.pix_fmt = 'yuv420p'
    for frame in frames:
      for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')):
        target.mux(packet)
    for packet in stream.encode(None):
      target.mux(packet)
  return pathlib.Path(path)


def read(path):
  """Returns a video's frames, their times in seconds, and its average rate."""
  import av
  with av.open(str(path)) as container:
    stream = container.streams.video[0]
    decoded = [(frame.to_ndarray(format='rgb24'), frame.time) for frame in container.decode(stream)]
    frames, times = zip(*decoded)
    return np.stack(frames), list(times), stream.average_rate
