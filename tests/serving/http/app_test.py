"""Requests over a real connection: every answer, everything that is refused, and the end."""

import http.client
import io
import json
import re
import socket
import threading

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as mask_tools

from tests.serving.http import support
from tf_maskformer.dataloaders import images
from tf_maskformer.serving.http.limits import Limits


@pytest.fixture(scope='module', name='server')
def make_server():
  with support.running() as server:
    yield server


def pixels(content):
  return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize('file_format', ['PNG', 'JPEG', 'WEBP', 'BMP', 'TIFF', 'GIF'])
def test_json_of_any_format(server, file_format):
  image = support.drawn()
  body = support.encoded(image, file_format)
  status, headers, content = server.ask('POST', '/predict', body)
  assert (status, headers['Content-Type']) == (200, 'application/json')
  answer = json.loads(content)
  assert (answer['task'], answer['height'], answer['width']) == ('panoptic', 30, 40)
  expected = support.result_of(np.asarray(Image.open(io.BytesIO(body)).convert('RGB')))
  assert len(answer['segments']) == 2
  for row, segment in zip(answer['segments'], expected.segments):
    assert (row['id'], row['category_id'], row['score'], row['area']) == (
        segment.id, segment.category_id, segment.score, segment.area)
    np.testing.assert_array_equal(mask_tools.decode(row['segmentation']), segment.mask)
    left, top, width, height = row['bbox']
    assert segment.mask[top:top + height, left:left + width].sum() == segment.area


def test_every_form(server):
  image = support.drawn()
  expected = support.result_of(image)
  _, headers, content = server.predict(image, '/predict?format=ids')
  assert headers['Content-Type'] == 'image/png'
  np.testing.assert_array_equal(pixels(content) @ [1, 256, 65536], expected.id_map)
  _, _, content = server.predict(image, '/predict?format=labels')
  np.testing.assert_array_equal(pixels(content), np.where(expected.id_map, expected.labels, 255))
  _, _, content = server.predict(image, '/predict?format=overlay')
  np.testing.assert_array_equal(pixels(content), np.asarray(expected.draw()))
  _, _, content = server.predict(image, '/predict?format=coco')
  assert json.loads(content) == expected.to_coco('image')


def test_a_threshold(server):
  image = support.drawn()
  _, _, content = server.predict(image, '/predict?threshold=0.5')
  assert [row['score'] for row in json.loads(content)['segments']] == [0.75]
  _, _, content = server.predict(image, '/predict?threshold=0.5&format=ids')
  ids = support.result_of(image).id_map
  np.testing.assert_array_equal(pixels(content) @ [1, 256, 65536], np.where(ids == 1, 1, 0))


@pytest.mark.parametrize('accept, kind', [
    ('application/json', 'application/json'), ('image/png', 'image/png'),
    ('*/*', 'application/json'), ('image/*', 'image/png'),
    ('text/html, image/png;q=0.9, */*;q=0.1', 'image/png'),
    ('image/png;q=0.2, application/json;q=0.7', 'application/json')])
def test_accept(server, accept, kind):
  status, headers, _ = server.predict(support.drawn(), Accept=accept)
  assert (status, headers['Content-Type']) == (200, kind)


def test_a_form_with_a_file(server):
  image = support.drawn()
  body, headers = support.form(('whatever', support.png(image)))
  status, _, content = server.ask('POST', '/predict?format=ids', body, headers)
  assert status == 200
  np.testing.assert_array_equal(
      pixels(content) @ [1, 256, 65536], support.result_of(image).id_map)


def test_an_image_turned_by_its_camera(server):
  buffer = io.BytesIO()
  exif = Image.Exif()
  exif[0x0112] = 6  # orientation: a quarter turn
  Image.fromarray(support.drawn(20, 50)).save(buffer, 'JPEG', exif=exif)
  _, _, content = server.ask('POST', '/predict', buffer.getvalue())
  answer = json.loads(content)
  assert (answer['height'], answer['width']) == (50, 20)


def _broken(kind):
  complete = support.encoded(support.drawn(300, 400), 'JPEG')
  return {
      'empty': b'', 'text': b'hello', 'cut': complete[:len(complete) // 2],
      'head': complete[:20],
      'deep': support.encoded(np.zeros([4, 4], np.uint16), 'PNG')}[kind]


@pytest.mark.parametrize('kind, status, message', [
    ('empty', 400, 'the body is empty'), ('text', 415, 'unknown image format'),
    ('cut', 400, 'the image cannot be decoded'), ('head', 415, 'the image cannot be decoded'),
    ('deep', 415, 'more than 8 bits')])
def test_what_is_not_an_image(server, kind, status, message):
  found, error = server.refused('POST', '/predict', _broken(kind))
  assert message in error and found == status
  body, headers = support.form(('image', _broken(kind)))
  found, error = server.refused('POST', '/predict', body, headers)
  assert message in error and found == status


def test_forms_that_are_wrong(server):
  image = support.png(support.drawn())
  two, headers = support.form(('a', image), ('b', image))
  assert server.refused('POST', '/predict', two, headers) == (
      400, 'the form cannot be read (Too many files. Maximum number of files is 1.)')
  none, headers = support.form()
  status, error = server.refused('POST', '/predict', none, headers)
  assert status == 400 and 'the form has no file' in error
  status, error = server.refused(
      'POST', '/predict', image, {'Content-Type': 'multipart/form-data'})
  assert status == 400 and 'boundary' in error
  status, error = server.refused('POST', '/predict', image, headers)
  assert status == 400 and 'form' in error


@pytest.mark.parametrize('method, path, headers, status, message', [
    ('POST', '/predict?format=gif', {}, 400, "format 'gif' is unknown; known: json, ids, labels"),
    ('POST', '/predict?threshold=2', {}, 400, "threshold='2' is not a number from 0 to 1"),
    ('POST', '/predict?threshold=nan', {}, 400, "threshold='nan' is not a number"),
    ('POST', '/predict', {'Accept': 'text/html'}, 406, 'application/json'),
    ('POST', '/predict', {'Content-Encoding': 'gzip'}, 415, 'encoded (gzip)'),
    ('GET', '/predict', {}, 405, 'GET is not possible here'),
    ('GET', '/nowhere', {}, 404, 'nothing at /nowhere; known: /predict, /health, /metrics, /model'),
    ('GET', '/%0A%00x', {}, 404, 'nothing at')])
def test_what_is_not_possible(server, method, path, headers, status, message):
  found, error = server.refused(method, path, b'x', headers)
  assert message in error and found == status


def test_headers_of_every_answer(server):
  for path in ('/health', '/nowhere', '/predict'):
    _, headers, _ = server.ask('GET', path)
    assert "default-src 'none'; script-src 'self'" in headers['Content-Security-Policy']
    assert headers['X-Content-Type-Options'] == 'nosniff'


def test_what_the_server_says_of_itself(server):
  status, _, content = server.ask('GET', '/health')
  assert (status, json.loads(content)) == (200, {'status': 'ok'})
  status, _, content = server.ask('GET', '/model')
  model = json.loads(content)
  assert (model['model'], model['task'], model['data_set']) == (
      'made_up', 'panoptic', 'shapes_panoptic')
  assert [row['name'] for row in model['classes']] == [c.name for c in support.DATA_SET.classes]
  assert model['limits']['bytes'] == Limits().body_bytes


def test_a_failure_of_the_model_is_that_images_alone(server, caplog):
  image = support.drawn()
  image[0, 0] = 99
  status, error = server.refused('POST', '/predict', support.png(image))
  assert status == 500 and 'RuntimeError' in error
  support.until(lambda: 'RuntimeError: never' in caplog.text)  # the trace
  assert server.predict(support.drawn())[0] == 200


def _metric(text, name):
  return float(re.search(rf'^tf_maskformer_{re.escape(name)} (\S+)$', text, re.MULTILINE)[1])


def test_metrics():
  with support.running() as server:
    for _ in range(3):
      server.predict(support.drawn())
    server.ask('POST', '/predict', b'hello')
    server.ask('GET', '/made/up')
    status, headers, content = server.ask('GET', '/metrics')
  assert status == 200 and headers['Content-Type'].startswith('text/plain; version=0.0.4')
  text = content.decode()
  assert _metric(text, 'requests_total{path="/predict",code="200"}') == 3
  assert _metric(text, 'requests_total{path="/predict",code="415"}') == 1
  assert _metric(text, 'requests_total{path="other",code="404"}') == 1
  assert _metric(text, 'request_seconds_count') == 4
  assert _metric(text, 'batch_size_sum') == 3 == _metric(text, 'batch_size_bucket{le="+Inf"}')
  assert _metric(text, 'accepted') == _metric(text, 'waiting') == 0


def test_too_many_bytes():
  with support.running(Limits(body_bytes=1000)) as server:
    assert server.ask('POST', '/predict', bytes(1000))[0] == 415
    for body in (bytes(1001), iter([bytes(600), bytes(600)])):  # announced, and in chunks
      status, error = server.refused('POST', '/predict', body)
      assert (status, error) == (413, 'the body has more than 1000 bytes; send a smaller file')


def test_too_many_pixels():
  before = images.max_pixels()
  images.allow(1000)
  try:
    with support.running() as server:
      status, error = server.refused('POST', '/predict', support.png(support.drawn(30, 40)))
      assert status == 413 and '40 x 30, more than 1000' in error
  finally:
    images.allow(before)


def test_a_body_that_does_not_arrive():
  with (
      support.running(Limits(upload_seconds=0.2)) as server,
      socket.create_connection(('127.0.0.1', server.port), 30) as connection):
    connection.sendall(b'POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nstart')
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    assert answer.status == 408 and b'did not arrive within 0.2 s' in answer.read()


def test_an_answer_that_takes_too_long():
  with support.running(Limits(answer_seconds=0.3)) as server:
    server.model.gate.clear()
    status, error = server.refused('POST', '/predict', support.png(support.drawn()))
    assert status == 504 and 'no answer after 0.3 s' in error
    server.model.gate.set()
    assert server.predict(support.drawn())[0] == 200


def _in_threads(server, count, answers):
  def ask(number):
    answers.append(server.predict(support.drawn(seed=number)))

  threads = [threading.Thread(target=ask, args=(number,)) for number in range(count)]
  for thread in threads:
    thread.start()
  return threads


def test_too_many_at_once():
  answers = []
  with support.running(Limits(requests=3)) as server:
    server.model.gate.clear()
    threads = _in_threads(server, 3, answers)
    support.until(lambda: _metric(server.metrics.text(), 'accepted') == 3)
    status, headers, content = server.predict(support.drawn())
    assert (status, headers['Retry-After']) == (503, '1')
    assert json.loads(content)['error'].startswith('the server is busy with 3 requests')
    assert server.ask('GET', '/health')[0] == 200  # still answered, as is everything else
    server.model.gate.set()
    for thread in threads:
      thread.join(30)
    assert [status for status, _, _ in answers] == [200] * 3
    assert server.predict(support.drawn())[0] == 200


def test_a_client_that_leaves_gives_up_its_turn():
  with support.running(batch_size=1) as server:
    server.model.gate.clear()
    answers = []
    threads = _in_threads(server, 1, answers)
    support.until(lambda: len(server.model.batches) == 1)
    body = support.png(support.drawn(seed=5))
    with socket.create_connection(('127.0.0.1', server.port), 30) as connection:
      head = f'POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n'
      connection.sendall(head.encode() + body)
      support.until(lambda: _metric(server.metrics.text(), 'waiting') == 1)
    support.until(lambda: _metric(server.metrics.text(), 'accepted') == 1)
    server.model.gate.set()
    threads[0].join(30)
    server.predict(support.drawn())
    assert len(server.model.batches) == 2  # the one that left was not among them


def test_the_end_waits_for_what_is_accepted():
  answers = []
  with support.running() as server:
    server.model.gate.clear()
    threads = _in_threads(server, 5, answers)
    support.until(lambda: _metric(server.metrics.text(), 'accepted') == 5)
    server.stop()
    support.until(lambda: not _is_open(server.port))
    assert not answers
    server.model.gate.set()
    for thread in threads:
      thread.join(30)
  assert [status for status, _, _ in answers] == [200] * 5


def _is_open(port):
  try:
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=5)
    connection.connect()
    connection.close()
    return True
  except OSError:
    return False
