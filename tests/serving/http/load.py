"""Load on a server of this machine: none of many requests may be lost, none stuck.

    python -m tests.serving.http.load --checkpoint runs/maskformer_shapes_panoptic

Starts `tf-maskformer serve`, sends it images of several sizes and forms with broken ones and
clients that leave among them, compares every answer with what it must be, then sends SIGTERM while
the last requests are under way. Prints a table; exit code 1 where an answer was wrong.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from tests import support as checkout
from tests.serving.http import support

SIZES = ((96, 128), (128, 96), (64, 64), (120, 75))
_PATIENCE = 120  # seconds for an answer; longer counts as stuck
_MAX_BYTES = 200_000
_START = 300  # seconds until the server must be there
_LEAVES = 0  # in place of a status: the client did not wait for one

Case = tuple[str, int, Callable[[int], int]]  # name, status that is right, sends it to a port


def _ask(port: int, path: str, body: bytes, headers=None, method='POST') -> tuple[int, bytes]:
  connection = http.client.HTTPConnection('127.0.0.1', port, timeout=_PATIENCE)
  with contextlib.closing(connection):
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    return answer.status, answer.read()


def _complete(body: bytes, size: tuple[int, int], headers=None) -> Callable[[int], int]:
  """Returns what sends an image and checks that its answer is its own."""
  def send(port: int) -> int:
    status, content = _ask(port, '/predict', body, headers)
    if status == 200:
      answer = json.loads(content)
      assert (answer['height'], answer['width']) == size, 'the answer of another image'
    return status
  return send


def _form(body: bytes, path: str = '/predict', headers=None) -> Callable[[int], int]:
  def send(port: int) -> int:
    status, content = _ask(port, path, body, headers)
    assert status == 200 or list(json.loads(content)) == ['error']
    return status
  return send


def _leaving(body: bytes, share: float) -> Callable[[int], int]:
  """Returns what sends a part of an image, or all of it, and hangs up."""
  def send(port: int) -> int:
    head = f'POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n'.encode()
    with socket.create_connection(('127.0.0.1', port), _PATIENCE) as connection:
      connection.sendall(head + body[:int(share * len(body))])
    return _LEAVES
  return send


def cases(seed: int = 0) -> list[Case]:
  """Returns what is sent, in turn: 8 kinds of images as they should be, and 10 of mistakes."""
  rng = np.random.default_rng(seed)
  images = {size: rng.integers(0, 256, [*size, 3], np.uint8) for size in SIZES}
  files = {size: support.encoded(image, 'JPEG') for size, image in images.items()}
  found: list[Case] = [('image', 200, _complete(files[size], size)) for size in SIZES]
  for size in SIZES[:2]:
    body, headers = support.form(('image', support.png(images[size])))
    found.append(('form', 200, _complete(body, size, headers)))
  complete = files[SIZES[0]]
  found += [
      ('overlay', 200, _form(complete, '/predict?format=overlay')),
      ('ids', 200, _form(complete, '/predict?format=ids')),
      ('cut image', 400, _form(complete[:len(complete) // 2])),
      ('text', 415, _form(b'not an image' * 100)),
      ('empty', 400, _form(b'')),
      ('too many bytes', 413, _form(bytes(_MAX_BYTES + 1))),
      ('too many pixels', 413, _form(support.png(np.zeros([500, 500, 3], np.uint8)))),
      ('unknown format', 400, _form(complete, '/predict?format=gif')),
      ('broken form', 400, _form(complete, headers={'Content-Type': 'multipart/form-data'})),
      ('leaves in the upload', _LEAVES, _leaving(complete, 0.5)),
      ('leaves before the answer', _LEAVES, _leaving(complete, 1.0)),
      ('wrong path', 404, _form(complete, '/nothing'))]
  return found


def start(checkpoint: str, *more: str) -> tuple[subprocess.Popen, int]:
  """Starts a server; returns its process and port.

  Raises:
    RuntimeError: it ended, or is not there in time.
  """
  command = [sys.executable, '-m', 'tf_maskformer', 'serve', '--checkpoint', checkpoint, '--port=0',
             f'--max_bytes={_MAX_BYTES}', '--max_pixels=200000', *more]
  process = subprocess.Popen(
      command, cwd=checkout.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
  end = time.monotonic() + _START
  printed = []
  for line in process.stdout:
    printed.append(line)
    ready = re.search(r'http://127\.0\.0\.1:(\d+)/ is ready', line)
    if ready:
      return process, int(ready[1])
    if time.monotonic() > end:
      break
  process.kill()
  raise RuntimeError(''.join(printed))


def send(port: int, total: int, at_once: int) -> tuple[collections.Counter, list[str]]:
  """Sends requests; returns how many of each kind were answered as they must, and what was not."""
  kinds = cases()
  right: collections.Counter = collections.Counter()
  wrong = []

  def one(number: int) -> tuple[str, str]:
    name, expected, to = kinds[number % len(kinds)]
    try:
      status = to(port)
    except Exception as e:  # pylint: disable=broad-except
      return name, f'{name}: {type(e).__name__} {e}'
    return name, '' if status == expected else f'{name}: {status}, not {expected}'

  with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
    for name, problem in pool.map(one, range(total)):
      if problem:
        wrong.append(problem)
      else:
        right[name] += 1
  return right, wrong


def end(process: subprocess.Popen, port: int, at_once: int) -> list[str]:
  """Sends SIGTERM under load; returns what went wrong.

  What the server accepted must be answered; later connections are refused. The process must end by
  itself, with exit code 0.
  """
  name, _, to = cases()[0]
  answers = []
  with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
    futures = [pool.submit(to, port) for _ in range(at_once)]
    while _accepted(port) < at_once // 2 and not all(future.done() for future in futures):
      time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    for future in futures:
      try:
        answers.append(future.result())
      except ConnectionRefusedError:
        answers.append(200)  # it was too late to be accepted
      except OSError as e:
        answers.append(f'{type(e).__name__} {e}')
  wrong = [f'{name} at the end: {answer}' for answer in answers if answer != 200]
  printed, _ = process.communicate(timeout=_PATIENCE)
  if process.returncode != 0 or 'requests were answered' not in printed:
    wrong.append(f'exit code {process.returncode}: {printed}')
  return wrong


def _accepted(port: int) -> int:
  _, content = _ask(port, '/metrics', b'', method='GET')
  return int(re.search(r'^tf_maskformer_accepted (\d+)', content.decode(), re.MULTILINE)[1])


def run(checkpoint: str, total: int, at_once: int, *more: str) -> list[str]:
  """Runs all of it, prints a table, and returns what went wrong."""
  process, port = start(checkpoint, *more)
  try:
    begin = time.monotonic()
    right, wrong = send(port, total, at_once)
    seconds = time.monotonic() - begin
    support.until(lambda: _accepted(port) == 0)
    wrong += end(process, port, at_once)
  finally:
    process.kill()
  for name, count in sorted(right.items()):
    print(f'{name:26} {count}')
  print(f'{sum(right.values())} of {total} requests as they must be, {at_once} at a time, '
        f'{seconds:.0f} s')
  return wrong


def main(argv: Sequence[str]) -> int:
  """Runs the program; returns the exit code."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--checkpoint', required=True)
  parser.add_argument('--requests', type=int, default=2000)
  parser.add_argument('--at_once', type=int, default=16)
  args = parser.parse_args(argv)
  wrong = run(args.checkpoint, args.requests, args.at_once)
  print('\n'.join(wrong[:20]))
  return 1 if wrong else 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
