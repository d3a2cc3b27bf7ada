"""The README's Python example runs as it stands."""

import re

from tests import support


def test_the_python_example_runs():
  code = re.search(r'```python\n(.*?)```', (support.ROOT / 'README.md').read_text(), re.DOTALL).group(1)
  scope = {}
  exec(code, scope)  # pylint: disable=exec-used
  assert scope['outputs']['class_logits'].shape[1:] == (2, 20, 8)
  assert scope['query_index'].shape == (3, 2, 2) and (scope['query_index'].numpy() >= 0).all()
  assert scope['id_map'].shape == scope['labels'].shape == (480, 600)
  assert {name: len(v) for name, v in scope['terms'].items()} == {'class': 3, 'mask': 3, 'dice': 3}
