"""From a request's body to an image; whatever a client sends, it is bounded and refused in a line.

The body is the image file itself, or a form (multipart/form-data) with one file in it.
"""

import asyncio
from collections.abc import AsyncGenerator

import numpy as np
from PIL import UnidentifiedImageError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.formparsers import MultiPartParser
from starlette.requests import Request

from tf_maskformer.dataloaders import images
from tf_maskformer.errors import UserError
from tf_maskformer.serving import inputs
from tf_maskformer.serving.http.limits import Limits
from tf_maskformer.serving.http.limits import Refused

_FORM = 'multipart/form-data'
_MAX_FIELDS = 16  # of a form, next to the file
_CHUNK = 2**18  # bytes that are parsed before others have a turn
_NAME = 'the image'  # in messages


async def read(request: Request, limits: Limits) -> bytes:
  """Returns the bytes of the image file in a request.

  Raises:
    Refused: the body is empty, too large or too slow, or is a form without exactly one file.
    ClientDisconnect: the client is gone.
  """
  encoding = request.headers.get('content-encoding', 'identity')
  if encoding != 'identity':
    raise Refused(415, f'the body is encoded ({encoding}); send the image file as it is')
  try:
    body = await asyncio.wait_for(_body(request, limits.body_bytes), limits.upload_seconds)
  except asyncio.TimeoutError as e:
    raise Refused(
        408, f'the body did not arrive within {limits.upload_seconds:g} s; send it faster') from e
  if request.headers.get('content-type', '').lower().startswith(_FORM):
    body = await _file_of_form(request, body)
  if not body:
    raise Refused(400, 'the body is empty; send an image file')
  return body


async def _body(request: Request, limit: int) -> bytes:
  """Returns a request's body; raises Refused as soon as it is known to be too large."""
  too_large = Refused(413, f'the body has more than {limit} bytes; send a smaller file')
  announced = request.headers.get('content-length', '')
  if announced.isdecimal() and int(announced) > limit:
    raise too_large
  body = bytearray()
  async for chunk in request.stream():
    body += chunk
    if len(body) > limit:
      raise too_large
  return bytes(body)


class _FormInMemory(MultiPartParser):
  """A parser that writes nothing to the disk; the body is in memory already."""

  spool_max_size = 2**62


async def _file_of_form(request: Request, body: bytes) -> bytes:
  """Returns the one file in a form."""
  parser = _FormInMemory(
      request.headers, _chunks(body), max_files=1, max_fields=_MAX_FIELDS)
  try:
    form = await parser.parse()
  except MultiPartException as e:
    raise Refused(400, f'the form cannot be read ({e.message})') from e
  files = [value for value in form.values() if isinstance(value, UploadFile)]
  if not files:
    raise Refused(400, 'the form has no file; send one, e.g. curl -F image=@street.jpg')
  try:
    return await files[0].read()
  finally:
    await form.close()


async def _chunks(body: bytes) -> AsyncGenerator[bytes, None]:
  for start in range(0, len(body), _CHUNK):
    yield body[start:start + _CHUNK]
    await asyncio.sleep(0)


def decode(data: bytes) -> np.ndarray:
  """Returns an image file's pixels, uint8 [height, width, 3], RGB, upright.

  Args:
    data: the file's bytes, see `images.decode`.

  Raises:
    Refused: 415 it is not an image or of a kind that is not read, 413 it has too many pixels, 400
      it is damaged.
  """
  try:
    image = images.decode(data, _NAME)
  except images.TooManyPixels as e:
    raise Refused(413, str(e)) from e
  except images.UnusableImage as e:
    is_unknown = isinstance(e.__cause__, UnidentifiedImageError)
    raise Refused(415 if is_unknown else 400, str(e)) from e
  if images.is_deep(image):
    raise Refused(415, f'{_NAME} {images.TOO_DEEP}')
  try:
    return inputs.as_rgb(image)
  except UserError as e:
    raise Refused(400, str(e)) from e
