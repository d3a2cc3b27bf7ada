"""Which of this machine's devices TensorFlow uses."""

import re

import tensorflow as tf

from tf_maskformer.errors import UserError

_FORM = re.compile(r'(?P<kind>cpu|gpu)(:(?P<number>\d{1,4}))?')


def select(device: str) -> None:
  """Leaves TensorFlow one device; call it before TensorFlow computes anything.

  Args:
    device: 'cpu', 'gpu' (the first) or 'gpu:N' (from 0), in any case.

  Raises:
    UserError: it is not a device, this machine does not have it, or TensorFlow is in use already.
  """
  parts = _FORM.fullmatch(device.strip().lower())
  number = int(parts['number'] or 0) if parts else 0
  if not parts or (parts['kind'] == 'cpu' and number):
    raise UserError(f'--device {device!r} is not a device; give cpu, gpu or gpu:N, e.g. gpu:1')
  gpus = tf.config.list_physical_devices('GPU')
  if parts['kind'] == 'cpu':
    chosen = []
  elif number < len(gpus):
    chosen = [gpus[number]]
  else:
    raise UserError(f'--device {device} is not there; {_what_is_there(len(gpus))}')
  if not gpus:
    return
  try:
    tf.config.set_visible_devices(chosen, 'GPU')
  except RuntimeError as e:
    raise UserError(
        f'--device {device} comes too late, TensorFlow is in use already; select it first') from e


def _what_is_there(num_gpus: int) -> str:
  if not num_gpus:
    return 'TensorFlow finds no GPU on this machine; give cpu'
  names = ', '.join(f'gpu:{number}' for number in range(num_gpus))
  return f'TensorFlow finds {names}'
