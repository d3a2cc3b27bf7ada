"""What is predicted, one image after the other: files, frames of videos, standard input."""

import dataclasses
import fractions
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from tf_maskformer import errors
from tf_maskformer.dataloaders import images
from tf_maskformer.serving import inputs
from tf_maskformer.serving import video
from tf_maskformer.serving.image_files import ImageFile

_BYTES_PER_PIXEL = 8  # of a result: the image, its id map, and some more
_SMALLEST_LIMIT = 2**26  # bytes of an image file
_NAMED = 5  # videos named in one message


@dataclasses.dataclass
class Clip:
  """A video or a webcam whose frames are being read.

  Attributes:
    file: which one.
    rate: frames per second, on average.
    failure: why it could not be read to its end; '' so far.
  """
  file: ImageFile
  rate: fractions.Fraction
  failure: str = ''


@dataclasses.dataclass(frozen=True, eq=False)
class Item:
  """An image to predict.

  Attributes:
    name: of its results; may contain folders.
    image: uint8 [height, width, 3], RGB, upright.
    file: that it comes from.
    clip: that it is a frame of; None of other images.
    time: of a frame, in seconds from the first.
  """
  name: str
  image: np.ndarray
  file: ImageFile
  clip: Clip | None = None
  time: float = 0.0

  @property
  def size(self) -> int:
    """Bytes that it takes with its result."""
    return _BYTES_PER_PIXEL * self.image.shape[0] * self.image.shape[1]


class Reader:
  """Yields the images that can be read, in order.

  Attributes:
    files: that can be opened.
    refused: why each of the others was left out.
    total: images and frames; None where it is not known.
    is_at_last_webcam: whether a webcam is being read after which nothing comes.
  """

  def __init__(self, files: Sequence[ImageFile], max_frames: int | None = None):
    """Looks at videos and webcams, so that those that are not there are known at once.

    Args:
      files: what to read.
      max_frames: of each video or webcam; None: all.

    Raises:
      UserError: there are videos or webcams alone, and none can be opened; or PyAV is missing.
    """
    self.files: list[ImageFile] = []
    self.refused: list[str] = []
    self.total: int | None = 0
    self.is_at_last_webcam = False
    self._max_frames = max_frames
    for file in files:
      try:
        count = self._count(file)
      except video.CannotOpen as e:
        self.refused.append(str(e))
        continue
      self.files.append(file)
      self.total = None if self.total is None or count is None else self.total + count
    if not self.files:
      raise errors.UserError('; '.join(self.refused[:_NAMED]))

  @property
  def unit(self) -> str:
    """What is counted."""
    return 'frame' if all(file.has_frames for file in self.files) else 'image'

  def __iter__(self) -> Iterator[Item]:
    for file in self.files:
      self.is_at_last_webcam = file is self.files[-1] and file.kind == 'webcam'
      if file.has_frames:
        yield from self._frames(file)
        continue
      try:
        image = _standard_input() if file.kind == 'stdin' else inputs.as_rgb(file.path)
      except errors.UserError as e:
        self.refused.append(str(e))
        continue
      yield Item(file.name, image, file)

  def _count(self, file: ImageFile) -> int | None:
    """Returns the number of images or frames, None where it is not known."""
    if not file.has_frames:
      return 1
    with video.Source(file.path, file.kind == 'webcam') as source:
      count = source.num_frames
    if self._max_frames is None:
      return count
    return self._max_frames if count is None else min(count, self._max_frames)

  def _frames(self, file: ImageFile) -> Iterator[Item]:
    """Yields the frames of a video or a webcam; what is wrong with it becomes its failure."""
    clip = None
    try:
      with video.Source(file.path, file.kind == 'webcam') as source:
        clip = Clip(file, source.rate)
        for number, (image, time) in enumerate(source.frames()):
          yield Item(f'{file.name}/{number:06d}', image, file, clip, time)
          if number + 1 == self._max_frames:
            break
    except errors.UserError as e:
      self.refused.append(str(e))
      if clip:
        clip.failure = str(e)


def _standard_input() -> np.ndarray:
  """Returns the image that comes through standard input."""
  if sys.stdin is None or sys.stdin.isatty():
    raise errors.UserError(
        '--input - reads an image from standard input, which is a terminal; e.g. '
        'curl … | tf-maskformer predict --input - …')
  limit = max(_SMALLEST_LIMIT, _BYTES_PER_PIXEL * images.max_pixels())
  data = sys.stdin.buffer.read(limit + 1)
  if not data:
    raise errors.UserError('standard input (--input -) is empty; send it an image')
  if len(data) > limit:
    raise errors.UserError(
        f'standard input has more than {limit} bytes; --max_pixels raises the limit')
  return inputs.of_bytes(data, 'standard input')
