"""Mask classification models in TensorFlow: MaskFormer and Mask2Former, trained and used.

    model = tf_maskformer.load('runs/coco')
    result = model.predict('street.jpg')

The folders of the project are the packages of this one: `tf_maskformer.configs`,
`tf_maskformer.modeling`, … An installation puts them here; in a checkout they are next to this
folder, where `__path__` finds them too.
"""

import importlib
import pathlib

__version__ = '0.1.0'

_DOORS = {'load': 'tf_maskformer.serving.loading'}
_checkout = pathlib.Path(__file__).resolve().parent.parent
if (_checkout / 'pyproject.toml').is_file():
  __path__.append(str(_checkout))


def __getattr__(name: str):
  """Imports what needs TensorFlow only when it is asked for."""
  if name in _DOORS:
    return getattr(importlib.import_module(_DOORS[name]), name)
  raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
  return sorted([*globals(), *_DOORS])
