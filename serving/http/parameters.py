"""What stands after the ? of a request."""

from typing import TypeVar

from starlette.requests import Request

from tf_maskformer.serving.http.limits import Refused

T = TypeVar('T', float, None)


def share(request: Request, name: str, default: T) -> float | T:
  """Returns a parameter of 0 .. 1.

  Args:
    request: that has it or not.
    name: of the parameter.
    default: what it is without.

  Raises:
    Refused: it is not such a number.
  """
  text = request.query_params.get(name)
  if text is None:
    return default
  try:
    value = float(text)
  except ValueError:
    value = -1.0
  if not 0 <= value <= 1:
    raise Refused(400, f'{name}={text!r} is not a number from 0 to 1')
  return value
