"""The published recipes: what the official configurations say, by experiment."""

import functools
import json
from typing import Any

from tests import support


@functools.cache
def published() -> dict[str, dict[str, Any]]:
  """Returns the fields of each published recipe by the name of its experiment.

  Fields that a model does not have are None. `id` is the official configuration file,
  `trainable_parameters` was counted in the official model.
  """
  content = json.loads(support.data('recipes.json').read_text())
  return {name: {**content['defaults'], **own} for name, own in content['experiments'].items()}
