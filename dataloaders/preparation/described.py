"""The description of a data set next to its records."""

import dataclasses
import posixpath
from collections.abc import Mapping

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets import descriptor_file
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders.preparation import manifest
from tf_maskformer.dataloaders.preparation.source import Source

_MANIFEST = '.manifest.json'


def write(output: str, sources: Mapping[str, Source], task: str = '') -> None:
  """Writes the description of the records that are about to be made.

  Args:
    output: folder of the records.
    sources: by split, all of the same data set.
    task: what the records are for, or ''.

  Raises:
    UserError: it cannot be written, or the folder holds records of other classes that are not made
      again.
  """
  name = dataclasses.asdict(next(iter(sources.values())))['data_set']
  data_set = catalog.get(name)
  path = posixpath.join(output, descriptor_file.NAME)
  if path == name:
    return
  others = _splits(output) - set(sources)
  difference = _difference(path, data_set)
  if others and difference:
    raise errors.UserError(
        f'{output} holds records of {", ".join(sorted(others))} of other classes: {difference}; '
        'choose another --output')
  with files.writing(path, manifest.ADVICE):
    tf.io.gfile.makedirs(output)
    files.write_text(path, descriptor_file.text_of(data_set, task))


def _difference(path: str, data_set: DataSet) -> str:
  """Returns how the classes of a former description differ; '' without one that can be read."""
  if not tf.io.gfile.exists(path):
    return ''
  try:
    return descriptor.difference(catalog.get(path), data_set)
  except errors.UserError as e:
    errors.warn(f'{e}; it is written again')
    return ''


def _splits(output: str) -> set[str]:
  """Returns the splits of which a folder has records."""
  manifests = tf.io.gfile.glob(posixpath.join(output, f'*{_MANIFEST}'))
  return {posixpath.basename(path).removesuffix(_MANIFEST) for path in manifests}
