"""What the page asks for: answers with id maps, samples, its own files, other thresholds."""

import json

import numpy as np
import pytest

from tests.serving.http import support
from tf_maskformer.serving.http import demo
from tf_maskformer.serving.http.formats import Answer
from tf_maskformer.serving.http.thresholds import Thresholds


class Keeper:
  """Keeps one image; `asked` has the thresholds."""
  thresholds = Thresholds(0.3, 0.6)

  def __init__(self):
    self.asked = []

  def again(self, token, thresholds):
    self.asked.append(thresholds)
    return Answer(support.result_of(support.drawn()), token) if token == 'known' else None


@pytest.fixture(scope='module', name='keeper')
def make_keeper():
  return Keeper()


@pytest.fixture(scope='module', name='server')
def make_server(keeper):
  samples = [demo.Sample('first.jpg', b'one'), demo.Sample('second.png', b'two')]
  with support.running(
      known=demo.FORMATS,
      routes=lambda api: demo.Demo(api, keeper, samples).routes()) as server:
    yield server


@pytest.mark.parametrize('id_map', [
    [[0, 0, 1], [1, 1, 2]], [[7]], [[1, 2], [1, 2]], [[0, 0], [0, 0]]])
def test_runs(id_map):
  id_map = np.array(id_map, np.int32)
  runs = demo.runs(id_map)
  np.testing.assert_array_equal(np.repeat(runs['ids'], runs['lengths']), id_map.ravel())
  assert all(one != other for one, other in zip(runs['ids'], runs['ids'][1:]))


def test_an_answer_for_the_page(server):
  image = support.drawn()
  expected = support.result_of(image)
  status, _, content = server.predict(image, '/predict?format=page')
  answer = json.loads(content)
  assert status == 200 and (answer['height'], answer['width']) == (30, 40)
  ids = np.repeat(answer['runs']['ids'], answer['runs']['lengths']).reshape(30, 40)
  np.testing.assert_array_equal(ids, expected.id_map)
  assert [row['id'] for row in answer['segments']] == [1, 2]
  assert answer['segments'][0]['color'] == list(support.DATA_SET.classes[0].color)
  assert 'segmentation' not in answer['segments'][0]


def test_thresholds_reach_the_keeper(server, keeper):
  assert server.ask('GET', '/kept/known?format=page&score=0.8&overlap=0')[0] == 200
  assert keeper.asked[-1] == Thresholds(0.8, 0.0)
  status, headers, _ = server.ask('GET', '/kept/known?format=ids')
  assert (status, headers['Content-Type']) == (200, 'image/png')
  assert keeper.asked[-1] == Keeper.thresholds


@pytest.mark.parametrize('path, status, message', [
    ('/kept/gone', 410, 'has dropped this image'),
    ('/kept/known?score=much', 400, "score='much' is not a number from 0 to 1"),
    ('/kept/known?overlap=1.5', 400, "overlap='1.5' is not a number from 0 to 1"),
    ('/kept/known?format=gif', 400, "format 'gif' is unknown"),
    ('/samples/2', 404, 'there are 2 samples'), ('/samples/-1', 404, 'nothing at /samples/-1'),
    ('/page/nothing.js', 404, 'nothing at /page/nothing.js'),
    ('/page/../app.py', 404, 'nothing at'), ('/page/%2e%2e/app.py', 404, 'nothing at')])
def test_what_is_not_there(server, path, status, message):
  found, error = server.refused('GET', path)
  assert message in error and found == status


def test_samples(server):
  _, _, content = server.ask('GET', '/samples')
  rows = json.loads(content)
  assert rows == [{'name': 'first.jpg', 'url': 'samples/0'}, {'name': 'second.png',
                                                              'url': 'samples/1'}]
  status, headers, content = server.ask('GET', '/' + rows[1]['url'])
  assert (status, headers['Content-Type'], content) == (200, 'image/png', b'two')


def test_the_files_of_the_page(server):
  status, headers, content = server.ask('GET', '/')
  assert status == 200 and headers['Content-Type'].startswith('text/html')
  text = content.decode()
  # The policy forbids scripts and styles within HTML, and anything of other servers.
  for forbidden in ('style=', 'onclick', '<style', 'http:', 'https:', '<script>'):
    assert forbidden not in text
  for name, kind in (('main.js', 'javascript'), ('style.css', 'text/css')):
    status, headers, _ = server.ask('GET', f'/page/{name}')
    assert status == 200 and kind in headers['Content-Type']


def test_every_file_is_small_and_of_this_server_alone():
  for path in demo.FOLDER.iterdir():
    text = path.read_text()
    assert text.count('\n') < 400 and '://' not in text, path
    assert max(map(len, text.splitlines())) <= 100, path
