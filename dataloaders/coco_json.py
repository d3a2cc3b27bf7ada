"""COCO's JSON files: read once, of the right form, images and annotations brought together.

What is wrong with one image is noted in its row; what is wrong with the file is an error.
"""

import codecs
import functools
import ntpath
from collections import Counter
from typing import Any

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer import json_text
from tf_maskformer.dataloaders import json_values

MAX_ID = 2**63 - 1
_MAX_NAME = 1024  # characters
_MAX_SIDE = 2**31 - 1  # pixels
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Row = dict[str, Any]


def load(path: str, kind: str) -> Any:
  """Returns the content of a JSON.

  The last file that was read is kept, so that several splits cut out of one file parse it once.
  Nothing may change what is returned.

  Args:
    path: of the file, local or remote.
    kind: for messages, 'instances' or 'panoptic'.

  Raises:
    UserError: the file is missing, cannot be read or is not JSON.
  """
  if not tf.io.gfile.exists(path):
    raise errors.UserError(f'annotations {path} do not exist; give the {kind} JSON')
  try:
    stat = tf.io.gfile.stat(path)
    return _parsed(path, stat.length, stat.mtime_nsec)
  except ValueError as e:
    raise errors.UserError(f'annotations: {path} {e}; give the {kind} JSON') from e
  except (tf.errors.OpError, OSError) as e:
    raise errors.UserError(
        f'annotations {path} cannot be read ({errors.reason(e)}); give the {kind} JSON') from e


@functools.lru_cache(maxsize=1)
def _parsed(path: str, length: int, changed: int) -> Any:
  """Returns the content of a file of that length and time of change."""
  del length, changed
  with tf.io.gfile.GFile(path, 'rb') as file:
    data = file.read()
  if data.startswith(_UTF16_MARKS):  # as some programs of Windows save text
    data = data.decode('utf-16', 'replace').encode()
  # NaN, which Python writes for a missing area, is the fault of one annotation, not of the file.
  return json_text.parse(data, finite=False)


def require_form(content: Any, keys: tuple[str, ...], path: str, form: tuple[str, str]) -> None:
  """Raises UserError where a JSON is not of a form, or no annotation has one of the keys.

  Args:
    content: of the file.
    keys: of annotations.
    path: of the file, for the message.
    form: its name, and what to give instead.
  """
  if not isinstance(content, dict):
    raise wrong_form('it is not an object with images and annotations', path, form)
  for part in ('images', 'annotations'):
    if not isinstance(content.get(part), list):
      raise wrong_form(f'{part!r} is missing or is not a list', path, form)
  rows = content['annotations']
  for key in keys:
    if rows and not any(isinstance(row, dict) and key in row for row in rows):
      raise wrong_form(f'{key!r} is missing', path, form)


def wrong_form(what: str, path: str, form: tuple[str, str]) -> errors.UserError:
  """Returns the error for a file of another form; arguments as of `require_form`."""
  name, advice = form
  return errors.UserError(f'annotations {path} are not in {name}: {what}; {advice}')


def image_rows(images: list[Any], path: str) -> dict[str, Row]:
  """Returns a row per image of a JSON.

  Args:
    images: of the file.
    path: of the file, for messages.

  Returns:
    dicts of id, file_name, height and width (None where the JSON does not state a usable size),
    'shares_name', whether an image in another folder has its file name, 'fault', why the image
    cannot be used, or '', and 'notes', a Counter of remarks; by `key_of` of the id.

  Raises:
    UserError: two images have one id, so that their annotations cannot be told apart.
  """
  rows: dict[str, Row] = {}
  for position, image in enumerate(images):
    image_id = image.get('id') if isinstance(image, dict) else None
    key = key_of(image_id)
    if not key:
      name = f'image {position} of the JSON'
      rows[f'{name} without an id'] = without_image(name, 'has no id (a number or a text)')
    elif key in rows:
      _note_double(rows[key], image, path)
    else:
      rows[key] = _image_row(image, key)
  _note_shared_names(rows)
  return rows


def key_of(value: Any) -> str:
  """Returns an image's id as text, '' where it is not one: 7, 7.0 and '7' are one id."""
  if isinstance(value, float):
    value = json_values.as_whole(value)
  if json_values.is_whole(value, -MAX_ID, MAX_ID):
    return str(value)
  is_text = json_values.is_text(value) and len(value) <= _MAX_NAME
  return value if is_text else ''


def without_image(name: str, fault: str) -> Row:
  """Returns the row of what is not an image of the JSON."""
  return {'id': name, 'file_name': name, 'fault': f'{name} {fault}', 'notes': Counter()}


def _image_row(image: Row, key: str) -> Row:
  file_name = image.get('file_name')
  fault = fault_of_name(file_name, 'the image')
  sides = [json_values.as_whole(image.get(side)) for side in ('height', 'width')]
  notes: Counter[str] = Counter()
  if not all(json_values.is_whole(side, 1, _MAX_SIDE) for side in sides):
    height, width = (errors.quoted(image.get(side)) for side in ('height', 'width'))
    note = f'the JSON states no size (height {height}, width {width}); it is read from the image'
    notes[note] += 1
    sides = [None, None]
  return {
      'id': image['id'],
      'file_name': f'image {errors.quoted(key)}' if fault else file_name,
      'height': sides[0],
      'width': sides[1],
      'shares_name': False,
      'fault': fault,
      'notes': notes,
  }


def fault_of_name(name: Any, what: str) -> str:
  """Returns why a file cannot be named so, '' where it can."""
  if not json_values.is_text(name) or len(name) > _MAX_NAME or '\0' in name:
    return f'has the file name {errors.quoted(name)} of {what} in the JSON, which is not one'
  return ''


def _note_double(row: Row, image: Row, path: str) -> None:
  """Notes that an image is listed twice; raises UserError where two images have its id."""
  name = image.get('file_name')
  shown = errors.quoted(image['id'])
  if name != row['file_name']:
    raise errors.UserError(
        f'annotations {path} have two images with the id {shown}, '
        f'{errors.quoted(row["file_name"])} and {errors.quoted(name)}, so it is not known which '
        'annotations are whose; give every image an id of its own')
  row['fault'] = f'is among the images of the JSON twice (id {shown})'


def _note_shared_names(rows: dict[str, Row]) -> None:
  """Notes images that are in the JSON under two ids, each with a part of the annotations.

  And those that differ from another in their folder alone.
  """
  key_of_path: dict[str, str] = {}
  key_of_name: dict[str, str] = {}
  for key, row in rows.items():
    path = row['file_name']
    other = key_of_path.setdefault(path, key)
    if other != key and not row['fault']:
      ids = f'{errors.quoted(other)} and {errors.quoted(key)}'
      fault = f'is in the JSON under two ids, {ids}, each with annotations of its own'
      row['fault'] = fault
      rows[other]['fault'] = fault
    name = ntpath.basename(path).casefold()  # either slash separates folders
    namesake = key_of_name.setdefault(name, key)
    if namesake != key:
      row['shares_name'] = True
      rows[namesake]['shares_name'] = True


def row_of(annotation: Any, images: dict[str, Row], unknown: dict[str, Row]) -> Row:
  """Returns the row of an annotation's image; one in `unknown` where there is no such image."""
  image_id = annotation.get('image_id') if isinstance(annotation, dict) else None
  key = key_of(image_id)
  if key in images:
    return images[key]
  name = f'image {errors.quoted(image_id)}'
  if name not in unknown:
    unknown[name] = without_image(name, 'has annotations but is not in the JSON')
  return unknown[name]


def finished(*parts: dict[str, Row]) -> list[Row]:
  """Returns the rows of all parts, sorted by id, with 'remarks' (texts) in place of 'notes'."""
  rows = sorted((row for part in parts for row in part.values()), key=lambda row: str(row['id']))
  for row in rows:
    notes = row.pop('notes')
    row['remarks'] = [note.replace('{n}', str(count)) for note, count in notes.items()]
  return rows
