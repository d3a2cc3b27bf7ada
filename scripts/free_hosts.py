"""Prints addresses on this machine that nobody listens at, for local workers: host:port,host:port.

  python scripts/free_hosts.py 3
"""

import socket
from collections.abc import Sequence

from tf_maskformer import cli
from tf_maskformer import errors

_MOST = 64


def free_hosts(count: int) -> list[str]:
  """Returns that many addresses; another process may take one of them before it is used."""
  sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(count)]
  ports = [one.getsockname()[1] for one in sockets]
  for one in sockets:
    one.close()
  return [f'127.0.0.1:{port}' for port in ports]


def main(argv: Sequence[str]) -> None:
  parser = cli.Parser(__doc__)
  parser.add_argument('count', type=int, help='how many')
  count = parser.parse(argv).count
  errors.require(1 <= count <= _MOST, f'{count} workers are not possible; give 1 to {_MOST}')
  print(','.join(free_hosts(count)))


if __name__ == '__main__':
  cli.run(main)
