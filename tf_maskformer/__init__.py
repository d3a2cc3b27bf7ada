"""Mask classification models in TensorFlow: MaskFormer and Mask2Former, trained and used.

The folders of the project are the packages of this one: `tf_maskformer.configs`, `tf_maskformer.modeling`, … An
installation puts them here; in a checkout they lie beside this folder, where `__path__` finds them too.
"""

import pathlib

__version__ = '0.1.0'

_checkout = pathlib.Path(__file__).resolve().parent.parent
if (_checkout / 'pyproject.toml').is_file():
  __path__.append(str(_checkout))
