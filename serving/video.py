"""Frames of videos and webcams, and videos written frame by frame. PyAV does it (extra `video`)."""

import contextlib
import fractions
import os
import pathlib
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from tf_maskformer import errors
from tf_maskformer import extras
from tf_maskformer import files
from tf_maskformer.dataloaders import images

_WEBCAM_FORMAT = 'v4l2'  # Linux's cameras
_CODEC = 'libx264'
_QUALITY = {'preset': 'veryfast', 'crf': '21'}
_USUAL_RATE = fractions.Fraction(25)  # frames per second, of a source that does not say
_TICKS = 10_000  # per second, at least: how exactly a frame's time is kept
_ROTATIONS = (0, 90, 180, 270)
# A video says how many frames it has; a few that are cut off at its ends are no damage.
_MISSING_FRAMES = 3
_MISSING_SHARE = 0.02


class CannotOpen(errors.UserError):
  """A video or a webcam cannot be opened; others may be."""


def require() -> types.ModuleType:
  """Returns PyAV; raises UserError where it is not installed.

  FFmpeg's messages stay off, as PyAV has them by default: where they are on, at any level, those of
  its threads and of Python can wait for each other forever.
  """
  return extras.require('av', extra='video')


class Source:
  """The frames of a video file or a webcam, upright, each as an RGB image.

  Attributes:
    path: of the file, or of the webcam's device.
    rate: frames per second, on average.
    num_frames: as the file says; None where it does not.
    num_read: frames read so far.
  """

  def __init__(self, path: str | os.PathLike, is_webcam: bool = False):
    """Opens it; `close` closes it.

    Raises:
      CannotOpen: it does not exist, is not a video, or its frames are too large.
      UserError: PyAV is not installed.
    """
    self.path = os.fspath(path)
    self._what = f'webcam {self.path}' if is_webcam else f'video {self.path}'
    self._is_webcam = is_webcam
    self._av = require()
    self._container = self._opened()
    self.num_read = 0
    try:
      self._stream = self._video_stream()
    except BaseException:
      self.close()
      raise
    rate = self._stream.average_rate or self._stream.guessed_rate
    self.rate: fractions.Fraction = rate if rate and rate > 0 else _USUAL_RATE
    self.num_frames = None if is_webcam else self._counted()

  def __enter__(self) -> 'Source':
    return self

  def __exit__(self, *error: object) -> None:
    self.close()

  def close(self) -> None:
    """Closes the file or the device."""
    self._container.close()

  def frames(self) -> Iterator[tuple[np.ndarray, float]]:
    """Yields frames, uint8 [height, width, 3], RGB, with their time in seconds from the first.

    Raises:
      UserError: a frame cannot be decoded or has another size than the first, frames are missing at
        the end, or there is none.
    """
    first_time = None
    shape = None
    for frame in self._decoded():
      image = self._upright(frame)
      shape = shape or image.shape
      if image.shape != shape:
        raise errors.UserError(
            f'{self._what} changes its size at frame {self.num_read}, from {shape[1]} x {shape[0]} '
            f'to {image.shape[1]} x {image.shape[0]}; cut it there')
      time = frame.time if frame.time is not None else float(self.num_read / self.rate)
      first_time = time if first_time is None else first_time
      self.num_read += 1
      yield image, time - first_time
    self._require_all()

  def _opened(self) -> Any:
    form = _WEBCAM_FORMAT if self._is_webcam else None
    if self._is_webcam and not os.path.exists(self.path):
      found = sorted(str(path) for path in pathlib.Path('/dev').glob('video*'))
      raise CannotOpen(
          f'{self._what} is not there; connected: {", ".join(found) or "none"}')
    try:
      return self._av.open(self.path, format=form)
    except (self._av.FFmpegError, OSError, ValueError) as e:
      raise CannotOpen(f'{self._what} cannot be opened ({_reason(e)})') from e

  def _video_stream(self) -> Any:
    if not self._container.streams.video:
      raise CannotOpen(f'{self._what} has no frames, only other streams')
    stream = self._container.streams.video[0]
    stream.thread_type = 'AUTO'
    context = stream.codec_context
    if context is None or not context.width or not context.height:
      raise CannotOpen(f'{self._what} cannot be decoded (unknown size or codec)')
    if context.width * context.height > images.max_pixels():
      raise CannotOpen(
          f'{self._what} has too many pixels ({context.width} x {context.height}, more than '
          f'{images.max_pixels()}); --max_pixels raises the limit')
    return stream

  def _counted(self) -> int | None:
    """Returns the number of frames that the file states, or that its length means."""
    if self._stream.frames:
      return self._stream.frames
    duration = self._container.duration  # in millionths of a second
    return round(duration / 1e6 * self.rate) if duration and duration > 0 else None

  def _decoded(self) -> Iterator[Any]:
    decoding = self._container.decode(self._stream)
    while True:
      try:
        frame = next(decoding, None)
      except (self._av.FFmpegError, OSError, ValueError) as e:
        raise errors.UserError(
            f'{self._what} cannot be decoded after frame {self.num_read} ({_reason(e)})') from e
      if frame is None:
        return
      if frame.is_corrupt:
        raise errors.UserError(f'{self._what} is damaged at frame {self.num_read}')
      yield frame

  def _upright(self, frame: Any) -> np.ndarray:
    """Returns a frame as its display matrix says, as players show it."""
    image = frame.to_ndarray(format='rgb24')
    turns = round(frame.rotation / 90) % len(_ROTATIONS)
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image

  def _require_all(self) -> None:
    """Raises UserError where no frame was decoded, or fewer than the file states."""
    if not self.num_read:
      raise errors.UserError(f'{self._what} has no frames that can be decoded')
    stated = 0 if self._is_webcam else self._stream.frames
    missing = stated - self.num_read
    if missing > max(_MISSING_FRAMES, _MISSING_SHARE * stated):
      raise errors.UserError(
          f'{self._what} is cut off: it states {stated} frames and has {self.num_read}')


class Writer:
  """A video that is written frame by frame, H.264 in MP4, without sound.

  It has a temporary name until `close`; `discard` removes it.
  """

  def __init__(self, path: str | os.PathLike, rate: fractions.Fraction):
    """Notes where the video goes; it is begun by the first frame.

    Args:
      path: of the video; its folder exists.
      rate: frames per second, on average.
    """
    self.path = pathlib.Path(path)
    self.num_frames = 0
    self._rate = rate.limit_denominator(100_000)
    # The time between frames at a steady rate is an integer of ticks.
    ticks_per_second = self._rate.numerator * -(-_TICKS // self._rate.numerator)
    self._tick = fractions.Fraction(1, ticks_per_second)
    self._av = require()
    self._stack = contextlib.ExitStack()
    self._container: Any = None
    self._stream: Any = None
    self._last = -1  # the last frame's time, in ticks

  def write(self, frame: np.ndarray, time: float) -> None:
    """Adds a frame.

    Args:
      frame: uint8 [height, width, 3], RGB; all have the same size.
      time: in seconds from the first frame.

    Raises:
      OSError: the file system refuses.
    """
    if self._container is None:
      self._begin(frame.shape[1], frame.shape[0])
    encoded = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format='rgb24')
    self._last = max(round(time / float(self._tick)), self._last + 1)
    encoded.pts = self._last
    encoded.time_base = self._tick
    self._mux(self._stream.encode(encoded))
    self.num_frames += 1

  def close(self) -> None:
    """Ends the video and gives it its name; without a frame there is none.

    Raises:
      OSError: the file system refuses.
    """
    if self._container is None:
      return
    with self._stack:
      self._mux(self._stream.encode(None))
      self._container.close()

  def discard(self) -> None:
    """Removes what was written."""
    if self._container is None:
      return
    with contextlib.suppress(_Discarded, OSError), self._stack:
      with contextlib.suppress(Exception):  # of a full disk, for example
        self._container.close()
      raise _Discarded

  def _begin(self, width: int, height: int) -> None:
    self._container = self._stack.enter_context(self._opened())
    self._stream = self._container.add_stream(_CODEC, rate=self._rate, options=_QUALITY)
    self._stream.codec_context.time_base = self._tick
    self._stream.width = width
    self._stream.height = height
    # Color at half the resolution is what players expect, and has no odd sizes.
    self._stream.pix_fmt = 'yuv444p' if width % 2 or height % 2 else 'yuv420p'

  @contextlib.contextmanager
  def _opened(self) -> Iterator[Any]:
    """Yields a container, written through a file of Python, whose errors are the system's."""
    with files.write_atomically(self.path) as temporary, open(temporary, 'wb') as file:
      yield self._av.open(file, 'w', format='mp4')

  def _mux(self, packets: Any) -> None:
    for packet in packets:
      self._container.mux(packet)


class _Discarded(Exception):
  """Makes a file that is written atomically go away."""


def _reason(error: BaseException) -> str:
  """Returns FFmpeg's words."""
  return errors.quoted(getattr(error, 'strerror', None) or error)
