"""Files of settings and of runs that are damaged, odd or meant to explode."""

import json
import random

_LEVELS = 9


def settings_file(rng: random.Random, ending: str) -> tuple[str, bytes]:
  """Returns the name and the content of a hostile file of settings.

  Args:
    rng: chooses.
    ending: .yaml or .json.
  """
  make = _YAML if ending == '.yaml' else _JSON
  content = rng.choice([*make(rng), *_either(rng)])
  return f'settings{ending}', content


def run_files(rng: random.Random, params: bytes) -> tuple[bytes, bytes]:
  """Returns a damaged params.yaml and a damaged data_set.yaml.

  Args:
    rng: chooses.
    params: of an undamaged run.
  """
  place = rng.randrange(len(params))
  flipped = bytearray(params)
  flipped[place] ^= 1 << rng.randrange(8)
  own = _with_own_classes(params)
  damaged = rng.choice([
      params[:place], bytes(flipped), params[place:], params + params, bytes(len(params)), own, own,
      own, params.replace(b'train_steps:', b'train_steps: many #'), params[:place] + b'\n- x\n',
      *_YAML(rng), *_either(rng)])
  return damaged, rng.choice(_label_maps(rng))


def _with_own_classes(params: bytes) -> bytes:
  """Returns a params.yaml whose data set is not built in."""
  lines = params.splitlines()
  changed = [b'  data_set: own' if line.startswith(b'  data_set:') else line for line in lines]
  return b'\n'.join(changed)


def _label_maps(rng: random.Random) -> list[bytes]:
  good = {'id': 1, 'name': 'a', 'isthing': 1, 'color': [1, 2, 3]}
  rows = [
      [], {}, None, 'x', [good], [good, good], [{**good, 'id': -1}], [{**good, 'id': 2**70}],
      [{**good, 'id': True}], [{**good, 'id': '1'}], [{**good, 'name': 3}], [{**good, 'name': ''}],
      [{**good, 'isthing': 2}], [{**good, 'isthing': [1]}], [{**good, 'color': [1, 2]}],
      [{**good, 'color': [1, 2, 256]}], [{**good, 'color': 'red'}], [{'id': 1}], [[1]], [None],
      [{**good, 'name': 'x' * 10**6}],
      [{**good, 'id': i, 'name': 'a\n\x1b'} for i in range(133)]]
  if rng.random() < 0.02:
    rows = [[{**good, 'id': i} for i in range(70000)]]
  texts = [json.dumps({'name': 'own', 'classes': one}).encode() for one in rows]
  cut = texts[-1][:rng.randrange(len(texts[-1]))]
  deep = b'[' * 10**5
  return [*texts, cut, deep, b'', b'\xff\xfe', b'[NaN]', b'9' * 5000, b'{"id": 1, "id": 2}']


def _YAML(rng: random.Random) -> list[bytes]:  # pylint: disable=invalid-name
  depth = int(10 ** rng.uniform(1, 4.5))
  bomb = ['a0: &a0 [x,x,x,x,x,x,x,x,x,x]']
  bomb += [f'a{i}: &a{i} [{",".join([f"*a{i - 1}"] * 10)}]' for i in range(1, _LEVELS)]
  key = 'trainer.optimizer_config.learning_rate.boundaries'
  texts = [
      '\n'.join([*bomb, f'{key}: *a{_LEVELS - 1}']), f'{key}: &a [*a]',
      'trainer: &a {train_steps: *a}',
      'a: &a {x: 1}\ntrainer: {<<: *a}', 'trainer: {train_steps: 1, train_steps: 2}',
      'trainer: {train_steps: 1}\ntrainer: {max_to_keep: 2}',
      'trainer: !!python/object:os.system {}',
      'trainer: !x {train_steps: 1}', 'trainer: {train_steps: !!int "5"}', 'a: ' + '[' * depth,
      'a: ' + '[' * depth + ']' * depth, 'a: ' + '{a: ' * depth, '? [a]\n: 1', '? {a: 1}\n: 1',
      'trainer: {train_steps: 010}', 'trainer: {train_steps: 1_0}', 'trainer: {train_steps: 1:30}',
      'trainer: {train_steps: 0x10}', 'trainer: {train_steps: 2001-01-01}',
      'trainer: {train_steps: ' + '9' * depth + '}', 'trainer: {train_steps: .inf}',
      'trainer: {train_steps: .nan}', 'trainer: {train_steps: yes}', 'runtime: {seed: ~}',
      'trainer: {train_steps: 1}\ntrainer.train_steps: 2', '---\na: 1\n---\nb: 2', '- 1\n- 2', '3',
      'null', '', '# nothing', 'trainer: =', 'task: {data_set: "\\ud800"}',
      'task: {data_set: "\\0"}',
      'task: []', 'task: {model: {backbone: []}}', '1: 2', '%YAML 9.9\n---\na: 1', '\ta: 1', '@',
      '`',
      f'{"k" * depth}: 1', f'task: {{data_set: {"k" * depth}}}', 'a: |\n' + ' x\n' * depth,
      '? ' * min(depth, 5000), '- ' * min(depth, 5000), 'a:\n' * 3 + '&' * depth, '*a', '!' * depth]
  return [text.encode() for text in texts]


def _JSON(rng: random.Random) -> list[bytes]:  # pylint: disable=invalid-name
  depth = int(10 ** rng.uniform(1, 4.5))
  texts = [
      '[' * depth, '[' * depth + ']' * depth, '{"a":' * depth, '{"a":' * depth + '1' + '}' * depth,
      '{"trainer": {"train_steps": 1, "train_steps": 2}}', '{"runtime": {"seed": NaN}}',
      '{"runtime": {"seed": Infinity}}', '{"runtime": {"seed": 1e999}}', '[]', '3', 'null', '',
      '{"runtime": {"seed": ' + '9' * depth + '}}', '{"runtime": {"seed": true}}', '{"a": }',
      '{"runtime": {"seed": "5"}}', '{"runtime": {"seed": 5.0}}',
      '{"task": {"data_set": "\\ud800"}}',
      '{"task": {"data_set": "\\u0000"}}', '{"task.train_data.parser.output_size": '
      + '[' * 300 + ']' * 300 + '}', '{"": 1}', '{"a.b.c": 1}', '{"task": {"": {}}}', '{} {}',
      '{"a": 1,}']
  return [text.encode() for text in texts]


def _either(rng: random.Random) -> list[bytes]:
  return [
      b'\xff\xfea\x00', b'\xef\xbb\xbftrainer: {}', b'a\0b', b'\x1b[31m: 1',
      b'trainer: {}\n' * 10**5,
      'trainer: {}'.encode('utf-16'), rng.randbytes(rng.randrange(1, 3000)), b'caf\xe9: 1',
      b' ' * 60000, b'\n' * 60000, b'"' * 60000]
