"""Addresses that cannot be had are one line."""

import socket

import pytest

from tests.serving.http import support  # noqa: F401  skips where the extra is missing
from tf_maskformer.errors import UserError
from tf_maskformer.serving.http import server


def test_a_port_in_use():
  with server.bind('127.0.0.1', 0) as taken:
    taken.listen()
    port = taken.getsockname()[1]
    message = f'^port {port} of 127.0.0.1 is in use; choose another --port'
    with pytest.raises(UserError, match=message):
      server.bind('127.0.0.1', port)


def test_a_port_taken_meanwhile():
  with server.bind('127.0.0.1', 0) as first:
    port = first.getsockname()[1]
    with server.bind('127.0.0.1', port) as second:  # neither accepts anything yet
      first.listen()
      with pytest.raises(UserError, match=f'^port {port} of 127.0.0.1 is in use'):
        server.run(None, second)


@pytest.mark.parametrize('host', ['no-such-host.invalid', '203.0.113.7', 'a' * 300, '1.2.3.4.5'])
def test_an_address_of_another_machine(host):
  with pytest.raises(UserError, match='^--host .*; name an address of this machine'):
    server.bind(host, 0)


def test_where_the_server_is():
  with server.bind('127.0.0.1', 0) as bound:
    assert server.is_loopback(bound)
    assert server.url(bound) == f'http://127.0.0.1:{bound.getsockname()[1]}/'
  with server.bind('0.0.0.0', 0) as bound:
    assert not server.is_loopback(bound)
    assert server.url(bound) == f'http://127.0.0.1:{bound.getsockname()[1]}/'
  if not socket.has_ipv6:
    return
  try:
    with server.bind('::1', 0) as bound:
      assert server.is_loopback(bound) and server.url(bound).startswith('http://[::1]:')
  except UserError:
    pytest.skip('this machine has no IPv6')
