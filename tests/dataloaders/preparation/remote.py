"""A file system that only TensorFlow's file functions know, in the place of a remote one.

`ram://` is in this process's memory; like an object store's, its folders need not be made.
"""

import os
import pathlib
import uuid

import tensorflow as tf


def copy(folder: pathlib.Path) -> str:
  """Copies a local folder; returns the path of the copy."""
  place = f'ram://{uuid.uuid4().hex}'
  for path in folder.rglob('*'):
    if path.is_file():
      target = f'{place}/{path.relative_to(folder)}'
      tf.io.gfile.makedirs(os.path.dirname(target))
      with tf.io.gfile.GFile(target, 'wb') as file:
        file.write(path.read_bytes())
  return place


def content(place: str) -> dict[str, bytes]:
  """Returns the bytes of the files in a folder, by name."""
  found = {}
  for name in tf.io.gfile.listdir(place):
    if not tf.io.gfile.isdir(f'{place}/{name}'):
      with tf.io.gfile.GFile(f'{place}/{name}', 'rb') as file:
        found[name] = file.read()
  return found
