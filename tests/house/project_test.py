"""What a public project has along with its code: one version everywhere, and files that parse."""

import datetime
import re

import pytest
import yaml

import tf_maskformer
from tests import support

MEGABYTE = 10**6
VERSION = tf_maskformer.__version__
PYTHONS = ['3.10', '3.11', '3.12', '3.13']


def read(path):
  return (support.ROOT / path).read_text()


def test_the_version_is_in_one_place():
  pyproject = read('pyproject.toml')
  assert 'dynamic = ["version"]' in pyproject
  assert 'version = { attr = "tf_maskformer.__version__" }' in pyproject
  assert not re.search(r'^version = "', pyproject, re.MULTILINE)


def test_the_citation_is_of_this_version():
  citation = yaml.safe_load(read('CITATION.cff'))
  assert citation['version'] == VERSION
  assert citation['title'] == 'tf-maskformer'
  assert [paper['identifiers'][0]['value'] for paper in citation['references']] == [
      'arXiv:2107.06278', 'arXiv:2112.01527']


def test_the_changelog_has_this_version():
  headings = re.findall(r'^## \[(.+?)\](?: - (.+))?$', read('CHANGELOG.md'), re.MULTILINE)
  assert headings[0] == ('Unreleased', '')
  version, date = headings[1]
  assert version == VERSION
  citation = yaml.safe_load(read('CITATION.cff'))
  assert datetime.date.fromisoformat(date) == citation['date-released']


def test_the_same_ruff_everywhere():
  hook, = yaml.safe_load(read('.pre-commit-config.yaml'))['repos']
  locked = re.search(r'^ruff==(\S+)$', read('requirements.lock.txt'), re.MULTILINE).group(1)
  assert hook['rev'] == f'v{locked}'


def test_the_same_pythons_everywhere():
  job = yaml.safe_load(read('.github/workflows/tests.yml'))['jobs']['tests']
  assert job['strategy']['matrix']['python'] == PYTHONS
  assert re.findall(r'Python :: (3\.\d+)"', read('pyproject.toml')) == PYTHONS
  minors = '|'.join(python.removeprefix('3.') for python in PYTHONS)
  assert f"'^3\\.({minors})$'" in read('scripts/common.sh')
  assert [step['run'] for step in job['steps'] if 'run' in step][-1] == 'bash .ci/run'


@pytest.mark.parametrize('kind', ['bug', 'feature', 'question'])
def test_issue_templates(kind):
  form = yaml.safe_load(read(f'.github/ISSUE_TEMPLATE/{kind}.yml'))
  assert form['name'] and form['description']
  assert any(field.get('validations', {}).get('required') for field in form['body'])
  assert len({field['id'] for field in form['body']}) == len(form['body'])


def test_the_data_of_the_tests_is_small():
  sizes = {p: p.stat().st_size for p in support.DATA.rglob('*') if p.is_file()}
  assert sum(sizes.values()) < 8 * MEGABYTE
  assert max(sizes.values()) < 3 * MEGABYTE


def test_only_real_images_are_next_to_the_checkout():
  """Tests skip only for data that the repository may not hold."""
  for path in support.ROOT.glob('tests/**/*.py'):
    for asked in re.findall(r"shared\(f?'([^']*)'", path.read_text()):
      assert asked.startswith('data/coco_panoptic_mini'), f'{path} asks for {asked}'
