"""Finds the image that a labelling tool means by a name: of another system, folder, or quoted.

Tools write paths of the machine that the labelling was done on, with Windows' slashes, quoted as in
a URL, or with the prefix that they gave the file when it was uploaded.
"""

import functools
import os
import posixpath
import re
import unicodedata
import urllib.parse
from collections.abc import Iterator

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.dataloaders.images import UnusableImage

SUFFIXES = (
    '.avif', '.bmp', '.dib', '.gif', '.jfif', '.jp2', '.jpe', '.jpeg', '.jpg', '.mpo', '.pgm',
    '.png', '.ppm', '.qoi', '.tga', '.tif', '.tiff', '.webp')
_UPLOAD = re.compile('[0-9a-f]{8}-(?=.)')  # Label Studio's prefix of an uploaded file
_LOCAL_FILE = '?d='  # Label Studio's /data/local-files/?d=folder/name.jpg
_DRIVE = re.compile('[A-Za-z]:/')


def find(folder: str, name: str, has_namesake: bool = False) -> str:
  """Returns the path of an image in a folder; nothing outside the folder is looked at.

  In this order: the path as it is written; a file of that name in any folder below, the one whose
  folders agree the most; the same without the prefix of an upload; a file that differs in its
  suffix alone. Slashes, URL quoting, case and the way accents are encoded may differ.

  Args:
    folder: of images, local or remote.
    name: as an annotation has it.
    has_namesake: whether other annotations have that name in another folder, so that its last
      folder must be the file's.

  Returns:
    the path relative to the folder; where no such file is found, the name as it is written.

  Raises:
    UnusableImage: several files may be meant, or the name leaves the folder and no file of that
      name is in it.
  """
  if stays_inside(name) and exists(posixpath.join(folder, name)):
    return name
  index = _index(folder, _changed(folder))
  for spell in (_name, _bare_name, _stem, _bare_stem):
    for written in _readings(name):
      found = index.best(spell, written, has_namesake)
      if len(found) > 1:
        raise UnusableImage(f'{errors.quoted(name)} may be {_shown(found)} in {folder}')
      if found:
        return found[0]
  if not stays_inside(name):
    raise UnusableImage(f'has the file name {errors.quoted(name)}, which leaves the folder, and no '
                        f'image of that name is in {folder}')
  return name


def _shown(paths: list[str]) -> str:
  return ' or '.join(errors.quoted(path) for path in paths[:3])


def stays_inside(name: str) -> bool:
  """Whether a path is relative and does not leave its folder, in any system's way of writing."""
  is_absolute = posixpath.isabs(name) or _DRIVE.match(name) or '://' in name
  return not is_absolute and '..' not in re.split(r'[/\\]', name)


def exists(path: str) -> bool:
  """Whether a file is there, local or remote; a name that no file can have is not."""
  try:
    return bool(tf.io.gfile.exists(path))
  except tf.errors.OpError:  # too long a name, a file where a folder should be
    return False


def _changed(folder: str) -> int:
  """Returns when a local folder was changed (ns), 0 of others."""
  return os.stat(folder).st_mtime_ns if os.path.isdir(folder) else 0


def _readings(name: str) -> Iterator[str]:
  """Yields what a written name may mean as a path with slashes, the likeliest first."""
  turned = name.replace('\\', '/')
  for reading in (turned, urllib.parse.unquote(turned), urllib.parse.unquote_plus(turned)):
    if _LOCAL_FILE in reading:
      reading = reading.partition(_LOCAL_FILE)[2]
    elif '://' in reading:
      reading = reading.partition('://')[2].partition('?')[0].partition('#')[0]
    yield reading.replace('\\', '/')


def _folded(text: str) -> str:
  return unicodedata.normalize('NFC', text).casefold()


def _name(path: str) -> str:
  return _folded(posixpath.basename(path))


def _bare_name(path: str) -> str:
  return _UPLOAD.sub('', _name(path), count=1) if _UPLOAD.match(_name(path)) else _name(path)


def _stem(path: str) -> str:
  return posixpath.splitext(_name(path))[0]


def _bare_stem(path: str) -> str:
  return posixpath.splitext(_bare_name(path))[0]


class _Index:
  """The images below a folder, by each way to spell their names."""

  def __init__(self, paths: list[str]):
    self._of: dict[tuple[object, str], list[str]] = {}
    for path in paths:
      for spell in (_name, _bare_name, _stem, _bare_stem):
        self._of.setdefault((spell, spell(path)), []).append(path)

  def best(self, spell, written: str, has_namesake: bool) -> list[str]:
    """Returns the paths of a spelling whose folders agree the most with a written path's."""
    candidates = self._of.get((spell, spell(written)), [])
    agreement = [_agreement(path, written) for path in candidates]
    most = max(agreement, default=(0, False))
    if has_namesake and most[0] == 0:
      return []
    return [path for path, number in zip(candidates, agreement) if number == most]


def _agreement(path: str, written: str) -> tuple[int, bool]:
  """Returns how many folders at the end of two paths are the same, and whether the names are."""
  count = 0
  folders = [_folded(part) for part in posixpath.dirname(path).split('/')]
  written_folders = [_folded(part) for part in posixpath.dirname(written).split('/')]
  for own, other in zip(reversed(folders), reversed(written_folders)):
    if own != other:
      break
    count += 1
  return count, posixpath.basename(path) == posixpath.basename(written)


@functools.lru_cache(maxsize=8)
def _index(folder: str, changed: int) -> _Index:
  """Returns the index of a folder that was changed at that time."""
  del changed
  return _Index(sorted(images_below(folder)))


def images_below(folder: str) -> list[str]:
  """Returns the relative paths of all images below a folder; hidden files are left out."""
  found = []
  for place, _, names in _walk(folder):
    below = os.path.relpath(place, folder) if '://' not in folder else place[len(folder):]
    below = '' if below == '.' else below.strip('/')
    for name in names:
      is_hidden = name.startswith('.') or '__MACOSX' in below
      if name.lower().endswith(SUFFIXES) and not is_hidden and _is_utf8(name):
        found.append(posixpath.join(below, name))
  return found


def _walk(folder: str):
  return tf.io.gfile.walk(folder) if '://' in folder else os.walk(folder)


def _is_utf8(name: str) -> bool:
  try:
    name.encode()
  except UnicodeEncodeError:
    return False
  return True
