"""YAML of settings: what is taken means what it looks like, the rest is refused."""

import pytest
import yaml

from tf_maskformer.configs import yaml_text
from tf_maskformer.configs.experiments import registry
from tf_maskformer.configs.experiments import settings


@pytest.mark.parametrize('text, wanted', [
    ('a: {b: [1, -2, 0], c: 1.5e-3}', {'a': {'b': [1, -2, 0], 'c': 1.5e-3}}),
    ('a: 1e-4', {'a': '1e-4'}),  # as YAML 1.1 reads it; the field's type decides
    ('a: 2001-01-01', {'a': '2001-01-01'}),
    ('a: "010"', {'a': '010'}),
    ('a: yes\nb: off\nc: ~', {'a': True, 'b': False, 'c': None}),
    ('1: 2', {'1': 2}),
    ('a: &x [1]\nb: *x', {'a': [1], 'b': [1]}),
    ('a: !!int "5"', {'a': 5}),
    ('', None), ('# nothing', None)])
def test_values(text, wanted):
  assert yaml_text.load(text) == wanted


@pytest.mark.parametrize('text, problem', [
    ('a: 010', '010 is not written as a plain whole number'),
    ('a: 1_000', '1_000 is not written'), ('a: 1:30', '1:30 is not written'),
    ('a: 0x10', '0x10 is not written'), ('a: 1_0.5', '1_0.5 is not written'),
    ('a: ' + '9' * 41, 'at most 40'),
    ('a: 1\na: 2', 'a is given twice'), ('a: {b: 1, b: 1}', 'b is given twice'),
    ('x: &x {b: 1}\na: {<<: *x}', 'merge keys'),
    ('a: !!python/object:os.system {}', 'a tag (!!python/object:os.system)'),
    ('a: !x 1', 'a tag (!x)'), ('a: !!binary aaaa', 'a tag (!!binary)'),
    ('? [a]\n: 1', 'a key is not a name'),
    ('a: &x [*x]', 'nested deeper'), ('a: ' + '[' * 33 + ']' * 33, 'nested deeper'),
    ('a: ' + '{a: ' * 33 + '}' * 33, 'nested deeper'), ('a: ' + '[' * 10**5, 'nested deeper'),
    ('[' + '1,' * 20000 + '1]', 'more than 20000 values')])
def test_refused(text, problem):
  with pytest.raises(yaml.YAMLError) as error:
    yaml_text.load(text)
  assert problem in str(error.value)


def test_a_bomb_of_aliases_is_not_unfolded():
  lines = ['a0: &a0 [1,1,1,1,1,1,1,1,1,1]']
  lines += [f'a{i}: &a{i} [{",".join([f"*a{i - 1}"] * 10)}]' for i in range(1, 12)]
  with pytest.raises(yaml.YAMLError, match='aliases .* unfolded'):
    yaml_text.load('\n'.join(lines))


def test_what_is_written_is_read_as_before():
  text = settings.as_yaml(registry.get('mask2former_coco_panoptic'), 'mask2former_coco_panoptic')
  assert yaml_text.load(text) == yaml.safe_load(text)
