"""What a command's inputs mean: images, videos, a webcam, standard input; and their results' names.

Imports no TensorFlow, so that a mistake is answered at once.
"""

import collections
import dataclasses
import glob
import os
import pathlib
import re
from collections.abc import Sequence

from tf_maskformer.errors import UserError
from tf_maskformer.files import PREFIX

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')  # of the images in a folder
VIDEO_SUFFIXES = (
    '.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi', '.mpg', '.mpeg', '.wmv', '.flv', '.ts',
    '.m2ts', '.mts', '.3gp', '.ogv')
RESULTS = ('.png', '_labels.png', '_overlay.png')  # after an image's name, see Result.save_images
STANDARD_INPUT = '-'

_WEBCAM = re.compile(r'(?:webcam:|/dev/video)?(?P<number>\d{1,3})')
_WILDCARDS = '*?['
_LONGEST_NAME = 255  # bytes of a file's name, on all usual file systems


@dataclasses.dataclass(frozen=True)
class ImageFile:
  """An image file, a video, a webcam, or the image that comes through standard input.

  Attributes:
    path: of the file; of a webcam that of its device, of standard input '-'.
    name: of its results, relative to the output folder, without suffix; may contain folders.
    kind: 'image', 'video', 'webcam' or 'stdin'.
  """
  path: pathlib.Path
  name: str
  kind: str = 'image'

  @property
  def is_file(self) -> bool:
    """Whether it is a file, not a device or a stream."""
    return self.kind in ('image', 'video')

  @property
  def has_frames(self) -> bool:
    """Whether it is a video or a webcam."""
    return self.kind in ('video', 'webcam')


def find(inputs: Sequence[str], output: pathlib.Path, recursive: bool = False,
         endings: Sequence[str] = RESULTS) -> list[ImageFile]:
  """Returns the images and videos that files, folders and patterns mean, each once.

  A file is a video by its suffix; folders are searched for images alone. `0`, `webcam:0` and
  `/dev/video0` are the first webcam (a file or folder called 0 comes before it), `-` is an image
  that comes through standard input.

  An image is named by its path relative to the folder or to the fixed part of the pattern, a single
  file by its own name. Where two of different folders would get one name, all are named by their
  path relative to the folder that they have in common; where two of one folder would (`1.jpg` and
  `1.png`), they keep their suffix.

  Args:
    inputs: paths of files and folders, or glob patterns (`**` matches any number of folders).
    output: folder of results; where it is in an input folder, it is left out of the search.
    recursive: whether subfolders of folders are searched, too. Hidden files and folders are not.
    endings: of the files of results, after an image's name.

  Raises:
    UserError: an input means no image, or two images would have a file of results in common.
  """
  found: dict[pathlib.Path, ImageFile] = {}
  streams: dict[pathlib.Path, ImageFile] = {}
  for text in inputs:
    stream = _stream(text)
    if stream:
      streams[stream.path] = stream
      continue
    base, paths = _matches(text, recursive)
    is_searched = _is_within(output, base)
    kept = [p for p in paths if not (is_searched and _is_within(p, output))]
    if not kept:
      raise UserError(_nothing_at(text, recursive))
    for path in kept:
      name = path.relative_to(base).with_suffix('').as_posix()
      found.setdefault(path.resolve(), ImageFile(path, name, _kind(path)))
  images = [*_told_apart(list(found.values())), *streams.values()]
  _refuse_common_results(images, endings)
  return images


def check_output(images: Sequence[ImageFile], output: pathlib.Path,
                 endings: Sequence[str] = RESULTS) -> None:
  """Checks that the results have a folder and that none can take the place of an image.

  Args:
    images: see `find`.
    output: folder of results.
    endings: see `find`.

  Raises:
    UserError: there is a file in place of the folder, a result could replace an image, or the name
      of one would be too long.
  """
  if output.exists() and not output.is_dir():
    raise UserError(f'--output {output} is not a directory; name a folder')
  for image in images:
    longest = f'{PREFIX}{os.path.basename(image.name)}{max(endings, key=len, default="")}'
    if len(os.fsencode(longest)) > _LONGEST_NAME:
      raise UserError(
          f'--input {image.path} has a name that is too long for those of its results; rename it')
  folders = {image.path.resolve().parent for image in images if image.is_file}
  for image in images:
    folder = (output / image.name).resolve().parent
    if folder in folders or output.resolve() in folders:
      raise UserError(
          f'--output {output} is the folder of the images, which predictions would replace; '
          'choose another')


def _stream(text: str) -> ImageFile | None:
  """Returns the webcam or standard input that a text means, None where it means neither."""
  if text == STANDARD_INPUT:
    return ImageFile(pathlib.Path(text), 'stdin', 'stdin')
  webcam = _WEBCAM.fullmatch(text)
  if not webcam or pathlib.Path(text).is_file() or pathlib.Path(text).is_dir():
    return None
  number = int(webcam['number'])
  return ImageFile(pathlib.Path(f'/dev/video{number}'), f'webcam_{number}', 'webcam')


def _kind(path: pathlib.Path) -> str:
  return 'video' if path.suffix.lower() in VIDEO_SUFFIXES else 'image'


def _matches(text: str, recursive: bool) -> tuple[pathlib.Path, list[pathlib.Path]]:
  """Returns the folder that names are relative to, and the images and videos, sorted."""
  path = pathlib.Path(text)
  if path.is_file():
    return path.parent, [path]
  if path.is_dir():
    return path, _in_folder(path, recursive)
  fixed = []
  for part in path.parts[:-1]:
    if any(character in part for character in _WILDCARDS):
      break
    fixed.append(part)
  matched = [pathlib.Path(name) for name in glob.glob(text, recursive=True)]
  return pathlib.Path(*fixed), sorted(
      p for p in matched if _has_suffix(p, SUFFIXES + VIDEO_SUFFIXES))


def _in_folder(folder: pathlib.Path, recursive: bool) -> list[pathlib.Path]:
  if not recursive:
    return sorted(path for path in folder.iterdir() if _has_suffix(path, SUFFIXES))
  found = []
  for parent, subfolders, names in os.walk(folder):
    subfolders[:] = [name for name in subfolders if not name.startswith('.')]
    found += [pathlib.Path(parent) / name for name in names]
  return sorted(path for path in found if _has_suffix(path, SUFFIXES))


def _has_suffix(path: pathlib.Path, suffixes: Sequence[str]) -> bool:
  """Whether it is a file with one of these suffixes, and not hidden."""
  return path.suffix.lower() in suffixes and not path.name.startswith('.') and path.is_file()


def _is_within(path: pathlib.Path, folder: pathlib.Path) -> bool:
  """Whether a path is somewhere below a folder."""
  return folder.resolve() in path.resolve().parents


def _nothing_at(text: str, recursive: bool) -> str:
  path = pathlib.Path(text)
  if not path.is_dir():
    return (
        f'--input {text} is not an image, not a folder with images, and not a pattern that matches '
        'images; check the path')
  deeper = '' if recursive else '; --recursive searches its subfolders'
  if any(_has_suffix(inside, VIDEO_SUFFIXES) for inside in path.iterdir()):
    deeper = '; it has videos: name them, or give a pattern in quotes'
  return (
      f'--input {text} is not an image and not a folder with images '
      f'({", ".join(SUFFIXES)}){deeper}')


def _told_apart(images: list[ImageFile]) -> list[ImageFile]:
  """Returns the images with names that differ, see `find`."""
  folders = collections.defaultdict(set)
  for image in images:
    folders[image.name].add(image.path.resolve().parent)
  if any(len(parents) > 1 for parents in folders.values()):
    common = os.path.commonpath([image.path.resolve().parent for image in images])
    images = [
        dataclasses.replace(
            image, name=image.path.resolve().relative_to(common).with_suffix('').as_posix())
        for image in images]
  count = collections.Counter(image.name for image in images)
  return [
      dataclasses.replace(image, name=image.name + image.path.suffix)
      if count[image.name] > 1 else image for image in images]


def _refuse_common_results(images: Sequence[ImageFile], endings: Sequence[str]) -> None:
  """Raises UserError where two images would write one file: `a.jpg` and `a_overlay.jpg` do."""
  owner: dict[str, ImageFile] = {}
  for image in images:
    for ending in endings:
      other = owner.setdefault(image.name + ending, image)
      if other is not image:
        raise UserError(
            f'--input holds {other.path} and {image.path}, which would both write '
            f'{image.name + ending}; rename one of them')
