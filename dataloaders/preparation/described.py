"""The description of a data set next to its records."""

import contextlib
import posixpath
from collections.abc import Collection, Iterator

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets import descriptor_file
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders.preparation import manifest

LISTS = ('train.txt', 'val.txt')  # of a random split
_MANIFEST = '.manifest.json'
_REPORT = '.report.json'


def path(output: str) -> str:
  """Returns the path of the description in a folder of records."""
  return posixpath.join(output, descriptor_file.NAME)


def write(output: str, data_set: DataSet, splits: Collection[str], task: str = '') -> None:
  """Writes the description of the records that are about to be made.

  Their reports, which say that they are finished, are removed first: where the conversion ends
  early, former records must not be taken for records of this description.

  Args:
    output: folder of the records.
    data_set: of the records.
    splits: that are made.
    task: what the records are for, or ''.

  Raises:
    UserError: it cannot be written, or the folder holds records of other classes that are not made
      again.
  """
  others = _splits(output) - set(splits)
  difference = _difference(path(output), data_set)
  if others and difference:
    raise errors.UserError(
        f'{output} holds records of {", ".join(sorted(others))} of other classes: {difference}; '
        'choose another --output')
  with files.writing(path(output), manifest.ADVICE):
    for split in splits:
      report = posixpath.join(output, split + _REPORT)
      if tf.io.gfile.exists(report):
        tf.io.gfile.remove(report)
    tf.io.gfile.makedirs(output)
    files.write_text(path(output), descriptor_file.text_of(data_set, task))
  catalog.forget_files()


@contextlib.contextmanager
def forgotten_after_mistakes(output: str) -> Iterator[None]:
  """Removes the description and the lists of a split where the block ends before any conversion."""
  try:
    yield
  except errors.UserError:
    if not _splits(output):
      for name in (descriptor_file.NAME, *LISTS):
        with contextlib.suppress(tf.errors.OpError):  # it was not written yet
          tf.io.gfile.remove(posixpath.join(output, name))
    raise


def _difference(former: str, data_set: DataSet) -> str:
  """Returns how the classes of a former description differ; '' without one that can be read."""
  if not tf.io.gfile.exists(former):
    return ''
  try:
    return descriptor.difference(catalog.get(former), data_set)
  except errors.UserError as e:
    errors.warn(f'{e}; it is written again')
    return ''


def _splits(output: str) -> set[str]:
  """Returns the splits of which a folder has records."""
  manifests = tf.io.gfile.glob(posixpath.join(output, f'*{_MANIFEST}'))
  return {posixpath.basename(name).removesuffix(_MANIFEST) for name in manifests}
