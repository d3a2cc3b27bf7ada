"""HOST:PORT, the addresses of the input service's processes. Imports no TensorFlow."""

import re

from tf_maskformer import errors
from tf_maskformer.errors import UserError

PORTS = 65535
_SCHEME = 'grpc://'
# A name, an IPv4 address, or an IPv6 address in brackets.
_ADDRESS = re.compile(r'([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})')


def checked(address: str, where: str) -> str:
  """Returns an address without blanks around it.

  Args:
    address: HOST:PORT.
    where: the flag or field, for the message.

  Raises:
    UserError: it is not HOST:PORT.
  """
  match = _ADDRESS.fullmatch(address.strip())
  if not match or not 1 <= int(match[2]) <= PORTS:
    raise UserError(f'{where} {errors.quoted(address)} is not HOST:PORT, e.g. cpu1:5051')
  return match[0]


def listed(text: str, where: str) -> list[str]:
  """Returns addresses that commas separate.

  Raises:
    UserError: one of them is not HOST:PORT, or is there twice.
  """
  found = [checked(part, where) for part in text.split(',')]
  twice = [one for one in found if found.count(one) > 1]
  if twice:
    raise UserError(f'{where} has {twice[0]} twice; name each worker once')
  return found


def host_of(address: str) -> str:
  """Returns the host of HOST:PORT, an IPv6 address without its brackets."""
  return address.rpartition(':')[0].strip('[]')


def port_of(address: str) -> int:
  """Returns the port of HOST:PORT."""
  return int(address.rpartition(':')[2])


def of_service(url: str) -> str:
  """Returns HOST:PORT of grpc://HOST:PORT, '' of ''.

  Raises:
    UserError: it is neither.
  """
  if not url:
    return ''
  if not url.startswith(_SCHEME):
    raise UserError(f'{errors.quoted(url)} is not {_SCHEME}HOST:PORT, e.g. {_SCHEME}host:5050')
  return checked(url.removeprefix(_SCHEME), 'the address')
