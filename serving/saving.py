"""Where results go: files of each image, videos, and the JSON files of all images together."""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Collection as Container
from collections.abc import Sequence

import numpy as np

from tf_maskformer import files
from tf_maskformer.dataloaders import images
from tf_maskformer.serving import formats
from tf_maskformer.serving import video
from tf_maskformer.serving.collection import Collection
from tf_maskformer.serving.image_files import ImageFile
from tf_maskformer.serving.reading import Clip
from tf_maskformer.serving.reading import Item
from tf_maskformer.serving.result import Result

_JSON_OF_ALL = frozenset({'coco_panoptic', 'coco', 'supervision', 'fiftyone'})
_JPEG = {'quality': 95, 'subsampling': 0}


@dataclasses.dataclass(frozen=True)
class Choice:
  """What of a result is written.

  Attributes:
    formats: of images, see `formats.FORMATS`.
    frame_formats: of frames of videos.
    classes: that are kept, counted from 0; None: all.
    threshold: of scores; None: see `Result.only`.
    boxes: whether overlays have boxes.
  """
  formats: tuple[str, ...]
  frame_formats: tuple[str, ...]
  classes: Container[int] | None = None
  threshold: float | None = None
  boxes: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Predicted:
  """An image and its result."""
  item: Item
  result: Result

  @property
  def size(self) -> int:
    """Bytes of both."""
    return self.item.size


class Saver:
  """Writes results; `prepare` may run in several threads, `finish` takes the images in order.

  Attributes:
    folder: for the results.
    collection: of the results in JSON files.
    num_images: finished so far.
    num_frames: finished so far, of videos and webcams.
    said: a line per video that is complete.
  """

  def __init__(self, folder: pathlib.Path, inputs: Sequence[ImageFile], choice: Choice):
    """Prepares to write.

    Args:
      folder: for the results; exists.
      inputs: what the results are of.
      choice: what of them is written.
    """
    used = [*choice.formats] if any(not file.has_frames for file in inputs) else []
    if any(file.has_frames for file in inputs):
      used += choice.frame_formats
    self.collection = Collection(used, _common_folder(folder, inputs))
    self.folder = folder
    self.num_images = 0
    self.num_frames = 0
    self.said: list[str] = []
    self._choice = choice
    self._clip: Clip | None = None
    self._writer: video.Writer | None = None
    self._removed = ''  # path of a video that was under way
    self._used = used

  def prepare(self, predicted: Predicted) -> tuple[Result, np.ndarray | None]:
    """Writes the files of one image.

    Returns:
      The result with the chosen segments, and of a frame the overlay, uint8 [height, width, 3].

    Raises:
      OSError: the file system refuses.
      UserError: a threshold is given for a semantic task.
    """
    item = predicted.item
    result = predicted.result
    choice = self._choice
    if choice.classes is not None or choice.threshold is not None:
      result = result.only(choice.classes, choice.threshold)
    os.stat(self.folder)  # one that was removed is not made again, with a part of the results
    names = set(self._formats(item))
    drawn = None
    if item.clip and 'overlay' in names:
      names.discard('overlay')
      drawn = np.asarray(result.draw(legend=False, boxes=choice.boxes, enlarged=False))
    if 'coco_panoptic' in names:
      names.add('png')
    if formats.endings(names):
      result.save_images(self.folder, item.name, names, choice.boxes)
    if names.intersection(formats.NAME_AN_IMAGE):
      self._save_named(item, result, names)
    return result, drawn

  def finish(self, predicted: Predicted, prepared: tuple[Result, np.ndarray | None]) -> None:
    """Adds an image to the JSON files, and a frame to its video.

    Raises:
      OSError: the file system refuses.
    """
    item = predicted.item
    result, drawn = prepared
    if item.clip is not self._clip:
      self._end_clip()
      self._clip = item.clip
    if _JSON_OF_ALL.intersection(self._formats(item)):
      self.collection.add(result, item.name, self._image_path(item))
      self.collection.update(self.folder)
    self.num_images += item.clip is None
    self.num_frames += item.clip is not None
    if item.clip and drawn is not None:
      if self._writer is None:
        path = self.folder / (item.file.name + formats.VIDEO_ENDING)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = video.Writer(path, item.clip.rate)
      self._writer.write(drawn, item.time)

  def start(self) -> None:
    """Writes JSON files without an image; raises OSError where the file system refuses."""
    self.collection.start(self.folder)

  def end(self, is_interrupted: bool) -> None:
    """Writes the JSON files and ends the last video.

    Args:
      is_interrupted: by the user: what there is of the last video is kept.

    Raises:
      OSError: the file system refuses.
    """
    self.collection.write(self.folder)
    if is_interrupted and self._clip and self._writer:
      self._keep(f'; interrupted, {self._clip.file.path} may have more')
    self._end_clip()

  def abandon(self) -> None:
    """Writes the JSON files, but removes the video under way."""
    self._removed = str(self._writer.path) if self._writer else ''
    with contextlib.suppress(OSError):
      self.collection.write(self.folder)
    self._discard()

  @property
  def num_complete(self) -> int:
    """Images that are complete: those in the JSON files, where there are any."""
    has_json = _JSON_OF_ALL.intersection(self._used)
    return self.collection.num_written if has_json else self.num_images

  @property
  def where(self) -> str:
    """A phrase for a message: in which JSON file the results are, and which video is not kept."""
    listed = ' and in predictions.json' if 'coco_panoptic' in self._used else ''
    return f'{listed}; {self._removed} is removed' if self._removed else listed

  def _formats(self, item: Item) -> tuple[str, ...]:
    return self._choice.frame_formats if item.clip else self._choice.formats

  def _end_clip(self) -> None:
    """Keeps the video under way, unless its source was damaged."""
    if self._clip and self._writer and not self._clip.failure:
      self._keep('')
    self._discard()

  def _keep(self, remark: str) -> None:
    writer = self._writer
    self._writer = None
    if writer:
      writer.close()
      count = f'{writer.num_frames} {"frame" if writer.num_frames == 1 else "frames"}'
      self.said.append(f'{writer.path}: {count}, without sound{remark}')

  def _discard(self) -> None:
    if self._writer:
      self._writer.discard()
    self._writer = None
    self._clip = None

  def _image_path(self, item: Item) -> pathlib.Path:
    """Returns where the image is, or is written where it is not a file."""
    if item.file.kind == 'image':
      return item.file.path
    return self.folder / (item.name + formats.IMAGE_ENDING)

  def _save_named(self, item: Item, result: Result, names: Container[str]) -> None:
    """Writes LabelMe's JSON, and the image where forms that name it would find none."""
    path = self._image_path(item)
    target = self.folder / f'{item.name}.json'
    target.parent.mkdir(parents=True, exist_ok=True)
    if item.file.kind != 'image':
      files.write_bytes(path, images.encode(item.image, 'JPEG', **_JPEG))
    if 'labelme' in names:
      relative = os.path.relpath(os.path.realpath(path), os.path.realpath(target.parent))
      files.write_json(target, result.to_labelme(relative), indent=None)


def _common_folder(folder: pathlib.Path, inputs: Sequence[ImageFile]) -> str:
  """Returns the folder that has all images in it, or in folders of it."""
  parents = {os.path.realpath(file.path.parent) for file in inputs if file.kind == 'image'}
  if any(file.kind != 'image' for file in inputs):
    parents.add(os.path.realpath(folder))
  return os.path.commonpath(parents)
