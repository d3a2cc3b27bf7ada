"""Which image files a command's inputs mean, and what their results are called.

Imports no TensorFlow, so that a mistake is answered at once.
"""

import collections
import dataclasses
import glob
import os
import pathlib
from collections.abc import Sequence

from tf_maskformer.errors import UserError
from tf_maskformer.files import PREFIX

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')  # of the images in a folder
RESULTS = ('.png', '_labels.png', '_overlay.png')  # after an image's name, see Result.save_images

_WILDCARDS = '*?['
_LONGEST_NAME = 255  # bytes of a file's name, on all usual file systems


@dataclasses.dataclass(frozen=True)
class ImageFile:
  """An image file.

  Attributes:
    path: of the file.
    name: of its results, relative to the output folder, without suffix; may contain folders.
  """
  path: pathlib.Path
  name: str


def find(inputs: Sequence[str], output: pathlib.Path, recursive: bool = False) -> list[ImageFile]:
  """Returns the images that files, folders and patterns mean, each once.

  An image is named by its path relative to the folder or to the fixed part of the pattern, a single
  file by its own name. Where two of different folders would get one name, all are named by their
  path relative to the folder that they have in common; where two of one folder would (`1.jpg` and
  `1.png`), they keep their suffix.

  Args:
    inputs: paths of files and folders, or glob patterns (`**` matches any number of folders).
    output: folder of results; where it is in an input folder, it is left out of the search.
    recursive: whether subfolders of folders are searched, too. Hidden files and folders are not.

  Raises:
    UserError: an input means no image, or two images would have a file of results in common.
  """
  found: dict[pathlib.Path, ImageFile] = {}
  for text in inputs:
    base, paths = _matches(text, recursive)
    is_searched = _is_within(output, base)
    kept = [p for p in paths if not (is_searched and _is_within(p, output))]
    if not kept:
      raise UserError(_nothing_at(text, recursive))
    for path in kept:
      name = path.relative_to(base).with_suffix('').as_posix()
      found.setdefault(path.resolve(), ImageFile(path, name))
  images = _told_apart(list(found.values()))
  _refuse_common_results(images)
  return images


def check_output(images: Sequence[ImageFile], output: pathlib.Path) -> None:
  """Checks that the results have a folder and that none can take the place of an image.

  Raises:
    UserError: there is a file in place of the folder, a result could replace an image, or the name
      of one would be too long.
  """
  if output.exists() and not output.is_dir():
    raise UserError(f'--output {output} is not a directory; name a folder')
  for image in images:
    longest = f'{PREFIX}{os.path.basename(image.name)}{max(RESULTS, key=len)}'
    if len(os.fsencode(longest)) > _LONGEST_NAME:
      raise UserError(
          f'--input {image.path} has a name that is too long for those of its results; rename it')
  folders = {image.path.resolve().parent for image in images}
  for image in images:
    folder = (output / image.name).resolve().parent
    if folder in folders or output.resolve() in folders:
      raise UserError(
          f'--output {output} is the folder of the images, which predictions would replace; '
          'choose another')


def _matches(text: str, recursive: bool) -> tuple[pathlib.Path, list[pathlib.Path]]:
  """Returns the folder that names are relative to, and the images, sorted."""
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
  return pathlib.Path(*fixed), sorted(p for p in matched if _is_image(p))


def _in_folder(folder: pathlib.Path, recursive: bool) -> list[pathlib.Path]:
  if not recursive:
    return sorted(path for path in folder.iterdir() if _is_image(path))
  found = []
  for parent, subfolders, names in os.walk(folder):
    subfolders[:] = [name for name in subfolders if not name.startswith('.')]
    found += [pathlib.Path(parent) / name for name in names]
  return sorted(path for path in found if _is_image(path))


def _is_image(path: pathlib.Path) -> bool:
  return path.suffix.lower() in SUFFIXES and not path.name.startswith('.') and path.is_file()


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
        ImageFile(image.path, image.path.resolve().relative_to(common).with_suffix('').as_posix())
        for image in images]
  count = collections.Counter(image.name for image in images)
  return [ImageFile(image.path, image.name + (image.path.suffix if count[image.name] > 1 else ''))
          for image in images]


def _refuse_common_results(images: Sequence[ImageFile]) -> None:
  """Raises UserError where two images would write one file: `a.jpg` and `a_overlay.jpg` do."""
  owner: dict[str, ImageFile] = {}
  for image in images:
    for ending in RESULTS:
      other = owner.setdefault(image.name + ending, image)
      if other is not image:
        raise UserError(
            f'--input holds {other.path} and {image.path}, which would both write '
            f'{image.name + ending}; rename one of them')
