"""Stands for the package where `python scripts/x.py` runs from a checkout, and makes way for it.

Python looks for the imports of a script in the script's own folder first, where the package is not.
"""

import importlib.util
import pathlib
import sys

_FOLDER = pathlib.Path(__file__).resolve().parent.parent / 'tf_maskformer'

_spec = importlib.util.spec_from_file_location(
    'tf_maskformer', _FOLDER / '__init__.py', submodule_search_locations=[str(_FOLDER)])
_package = importlib.util.module_from_spec(_spec)
sys.modules['tf_maskformer'] = _package
_spec.loader.exec_module(_package)
