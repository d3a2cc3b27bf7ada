"""Reads the `.h5` files of Keras Applications."""

import re

import h5py
import numpy as np
import tensorflow as tf

from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import resnet


def read_keras(path: str) -> tuple[dict[str, np.ndarray], list[str]]:
  """Returns a ResNet of Keras Applications.

  Returns:
    Its arrays by official name in the official layout, and the names in the file that are not
    weights of a backbone.

  Raises:
    UserError: the file is damaged or does not hold such a network.
  """
  try:
    arrays = _arrays(path)
  except OSError as e:
    raise UserError(f'checkpoint {path} cannot be read as HDF5 ({e}); is it damaged?') from e
  if 'conv1_conv/kernel' not in arrays:
    raise UserError(
        f'checkpoint {path} does not hold a Keras Applications ResNet (it has no conv1_conv layer)')
  used = re.compile(r'conv(1_|[2-5]_block)')
  ignored = [name for name in arrays if not used.match(name)]
  return resnet.from_keras_applications(arrays), ignored


def _arrays(path: str) -> dict[str, np.ndarray]:
  """Returns the data sets of an HDF5 file as {'layer/variable': array}."""
  arrays = {}
  size = tf.io.gfile.stat(path).length

  def visit(name: str, item) -> None:
    if not isinstance(item, h5py.Dataset):
      return
    if item.nbytes > size:
      raise OSError(f'{name} announces {item.nbytes} bytes, the file has {size}')
    layer, variable = name.split('/')[-2:]
    arrays[f'{layer}/{variable.split(":")[0]}'] = np.asarray(item)

  with h5py.File(path, 'r') as file:
    root = file['model_weights'] if 'model_weights' in file else file
    root.visititems(visit)
  return arrays
