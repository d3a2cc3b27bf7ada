"""Which image of the truth a prediction is of: by the image's id, or by the name of its file."""

import ntpath
from collections.abc import Iterable, Sequence

from tf_maskformer import errors

_SHOWN = 5  # images in a message


class ImageNames:
  """Ids and file names of the images of the truth."""

  def __init__(self, images: Iterable[tuple[str, str]]):
    """Takes the names.

    Args:
      images: (id as text, file name or '') of each; ids are distinct.
    """
    self._by_id: dict[str, str] = {}
    self._by_path: dict[str, str] = {}
    by_name: dict[str, list[str]] = {}
    for key, file_name in images:
      self._by_id[key] = key
      if file_name:
        path = stem(file_name)
        self._by_path[path] = key
        by_name.setdefault(path.rpartition('/')[2], []).append(key)
    self._by_name = {name: keys[0] for name, keys in by_name.items() if len(keys) == 1}

  def find(self, written: Sequence[str], what: str) -> dict[str, str]:
    """Returns the id of the image that each name means.

    Args:
      written: distinct ids, or names of files without suffix, folders included or not.
      what: has the names, for messages.

    Raises:
      UserError: a name is that of no image, two names mean one image, or names that are ids of
        images are the file names of others.
    """
    of_ids = {name: self._by_id.get(name, '') for name in written}
    of_files = {name: self._of_file(name) for name in written}
    if all(of_ids.values()):
      self._require_one_reading(of_ids, of_files, what)
      found = of_ids
    elif all(of_files.values()):
      found = of_files
    else:
      found = {name: of_ids[name] or of_files[name] for name in written}
    unknown = [name for name, key in found.items() if not key]
    if unknown:
      raise errors.UserError(
          f'{what} has predictions of {len(unknown)} images that the truth does not have: '
          f'{listed(unknown)}; give the truth of the same images')
    self._require_distinct(found, what)
    return found

  def _of_file(self, name: str) -> str:
    """Returns the id of the image whose file is called so, with or without folders; or ''."""
    last = name.rpartition('/')[2]
    return self._by_path.get(name) or self._by_name.get(last, '')

  def _require_one_reading(self, of_ids: dict[str, str], of_files: dict[str, str], what: str
                           ) -> None:
    other = [name for name in of_ids if of_files[name] not in ('', of_ids[name])]
    if other and all(of_files.values()):
      raise errors.UserError(
          f'{what}: {listed(other)} may be ids of images or names of files, which are different '
          'images in the truth; rename the files or number the images otherwise')

  def _require_distinct(self, found: dict[str, str], what: str) -> None:
    seen: dict[str, str] = {}
    for name, key in found.items():
      if key in seen:
        raise errors.UserError(
            f'{what} has two predictions of image {errors.quoted(key)}, '
            f'{errors.quoted(seen[key])} and {errors.quoted(name)}; leave one')
      seen[key] = name

  def require_all(self, found: Iterable[str], what: str) -> None:
    """Raises UserError where images have no prediction.

    Args:
      found: ids of the images that have one.
      what: has the predictions, for the message.
    """
    has = set(found)
    missing = [key for key in self._by_id if key not in has]
    if missing:
      raise errors.UserError(
          f'{what} has no prediction of {len(missing)} of {len(self._by_id)} images: '
          f'{listed(missing)}; predict all of them')


def stem(file_name: str) -> str:
  """Returns the path of a file without its suffix, folders separated by /."""
  return ntpath.splitext(file_name.replace('\\', '/'))[0]


def listed(names: Sequence[str]) -> str:
  """Returns the first names, for a message."""
  more = ', …' if len(names) > _SHOWN else ''
  return ', '.join(errors.quoted(name) for name in names[:_SHOWN]) + more
