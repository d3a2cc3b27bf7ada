"""The page in a real browser: drop an image, read the table, move sliders, get files.

The network behind it is made up, so that what must be on the screen is known.
"""

import base64
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.serving.http import support
from tf_maskformer.serving.http import demo
from tf_maskformer.serving.http.formats import Answer
from tf_maskformer.serving.http.limits import Limits
from tf_maskformer.serving.http.thresholds import Thresholds

playwright = pytest.importorskip(
    'playwright.sync_api', reason='needs playwright: pip install playwright')
BROWSER = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))),
               None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason='needs Chromium')
WIDE = {'width': 1280, 'height': 900}
NARROW = {'width': 390, 'height': 844}


class Network:
  """Two segments, of the scores 0.75 and 0.5.

  Attributes:
    kept: images by token.
    asked: the scores that answers were asked for.
  """
  thresholds = Thresholds(score=0.25)

  def __init__(self):
    self.kept: dict[str, np.ndarray] = {}
    self.asked: list[float] = []

  def predict(self, images):
    for image in images:
      token = f'token{len(self.kept)}'
      self.kept[token] = image
      yield Answer(support.result_of(image), token)

  def again(self, token, thresholds):
    if token not in self.kept:
      return None
    self.asked.append(thresholds.score)
    result = support.result_of(self.kept[token])
    result.shown = [row for row in result.shown if row['score'] > thresholds.score]
    return Answer(result, token)


@pytest.fixture(scope='module', name='browser')
def open_browser():
  with playwright.sync_playwright() as driver:
    browser = driver.chromium.launch(executable_path=BROWSER, args=['--no-sandbox'])
    yield browser
    browser.close()


@pytest.fixture(scope='module', name='network')
def make_network():
  return Network()


@pytest.fixture(scope='module', name='server')
def make_server(network):
  samples = [demo.Sample('sample.png', support.png(image()))]
  with support.running(
      Limits(body_bytes=300_000), known=demo.FORMATS, thresholds={'score': 0.25},
      predict=network.predict,
      routes=lambda api: demo.Demo(api, network, samples).routes()) as server:
    yield server


@pytest.fixture(name='page')
def open_page(browser, server):
  context = browser.new_context(viewport=WIDE, accept_downloads=True)
  page = context.new_page()
  problems = []
  page.on('pageerror', lambda error: problems.append(str(error)))
  page.on('request', lambda request: request.url.startswith(
      (f'http://127.0.0.1:{server.port}/', 'blob:', 'data:')) or problems.append(request.url))
  page.goto(f'http://127.0.0.1:{server.port}/')
  page.wait_for_selector('.samples button')
  yield page
  context.close()
  assert not problems  # errors of scripts, and requests to other places


def image():
  """Returns an image, 40 pixels wide: black on the left, white on the right."""
  made = np.zeros([30, 40, 3], np.uint8)
  made[:, 20:] = 255
  return made


def wait(page, expression):
  """Waits until an expression of the page is true; the page's policy forbids Playwright's own."""
  for _ in range(500):
    if page.evaluate(expression):
      return
    page.wait_for_timeout(20)
  pytest.fail(f'{expression} is not true; {page.inner_text("#message")}')


def rows_become(page, count):
  """Waits until the table has so many rows."""
  wait(page, f"document.querySelectorAll('#segments tbody tr').length === {count}")


def drop(page, name, data):
  """Drops a file on the page, as a mouse does."""
  transfer = page.evaluate_handle(
      """([name, data]) => {
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], name));
        return transfer;
      }""", [name, base64.b64encode(data).decode()])
  page.dispatch_event('body', 'drop', {'dataTransfer': transfer})


def rows(page):
  """Returns the cells of the table."""
  return [row.inner_text().split() for row in page.locator('#segments tbody tr').all()]


def opened(page, data=None):
  """Drops an image and waits for its segments."""
  drop(page, 'street.png', data or support.png(image()))
  page.wait_for_selector('#segments tbody tr')
  wait(page, "!document.getElementById('work').classList.contains('busy')")


def slide(page, selector, value):
  page.locator(selector).evaluate(
      "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value)


def colors(page, selector, places):
  """Returns the pixels of a canvas at places, shares of width and height."""
  return page.locator(selector).evaluate(
      """(canvas, places) => places.map(([x, y]) => [...canvas.getContext('2d').getImageData(
        Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data])""", places)


def painted(page, holds):
  """Waits until the overlay's colors left and right are as they must be."""
  for _ in range(100):
    left, right = colors(page, '#overlay', [(0.25, 0.5), (0.75, 0.5)])
    if holds(left, right):
      return
    page.wait_for_timeout(20)
  pytest.fail(f'{left} {right}')


FIRST, LAST = (support.DATA_SET.classes[i].name for i in (0, -1))
HALF = ['50.0', '%', '600']


def test_an_image_that_is_dropped(page):
  opened(page)
  assert rows(page) == [[FIRST, '0.75', *HALF], [LAST, '0.50', *HALF]]
  assert page.inner_text('#summary') == '2 segments, 100.0 % of the image'
  assert page.inner_text('#size') == '40 × 30'
  # The overlay has the colors of the classes, at the opacity of the slider.
  first, last = (list(support.DATA_SET.classes[i].color) for i in (0, -1))
  painted(page, lambda left, right: left[3] == right[3] == 140)
  for found, color in zip(colors(page, '#overlay', [(0.25, 0.5), (0.75, 0.5)]), (first, last)):
    assert np.abs(np.subtract(found[:3], color)).max() <= 2  # of rounding by the alpha
  assert colors(page, '#photo', [(0.25, 0.5), (0.75, 0.5)]) == [[0, 0, 0, 255], [255] * 4]


def test_hover_and_click(page):
  opened(page)
  box = page.locator('#overlay').bounding_box()
  page.mouse.move(box['x'] + 0.75 * box['width'], box['y'] + 0.5 * box['height'])
  assert page.inner_text('#tip') == f'{LAST} · 0.50'
  painted(page, lambda left, right: left[3] < right[3] / 2)  # the other one is faded
  page.mouse.click(box['x'] + 0.25 * box['width'], box['y'] + 0.5 * box['height'])
  page.mouse.move(1, 1)
  assert page.locator('#tip').is_hidden()
  assert page.inner_text('#status') == f'{FIRST} 0.75'
  painted(page, lambda left, right: right[3] < left[3] / 2)
  assert page.locator('#segments [aria-pressed=true]').inner_text() == FIRST
  page.keyboard.press('Escape')
  painted(page, lambda left, right: right[3] == left[3])


def test_the_keyboard_alone(page):
  opened(page)
  page.locator('#segments tbody button').nth(1).focus()
  painted(page, lambda left, right: left[3] < right[3] / 2)
  page.keyboard.press('Enter')
  assert page.locator('#segments [aria-pressed=true]').inner_text() == LAST
  page.locator('#opacity').focus()
  page.keyboard.press('End')
  painted(page, lambda left, right: right[3] == 255)
  page.locator('#legend button').first.focus()
  assert page.locator('#legend button').first.inner_text() == min(FIRST, LAST)


def test_sorting(page):
  opened(page)
  page.click('#segments th button[data-key=score]')
  assert [row[0] for row in rows(page)] == [FIRST, LAST]
  page.click('#segments th button[data-key=score]')
  assert [row[0] for row in rows(page)] == [LAST, FIRST]
  assert page.locator('#segments th').nth(1).get_attribute('aria-sort') == 'ascending'


def test_before_and_after(page):
  opened(page)
  slide(page, '#before', 60)
  assert page.locator('#overlay').evaluate('e => e.style.clipPath') == 'inset(0px 0px 0px 60%)'
  handle = page.locator('#divider').bounding_box()
  frame = page.locator('#frame').bounding_box()
  page.mouse.move(handle['x'] + handle['width'] / 2, handle['y'] + handle['height'] / 2)
  page.mouse.down()
  page.mouse.move(frame['x'] + frame['width'] / 4, frame['y'] + 10)
  page.mouse.up()
  assert page.locator('#before').input_value() == '25'


def test_thresholds_act_without_the_network(page, network):
  opened(page)
  predictions = len(network.kept)
  slide(page, '#threshold-score', 0.6)
  rows_become(page, 1)
  assert rows(page) == [[FIRST, '0.75', *HALF]]
  painted(page, lambda left, right: left[3] > 0 and right[3] == 0)
  assert network.asked[-1] == 0.6 and len(network.kept) == predictions
  page.click('#reset')
  rows_become(page, 2)
  slide(page, '#threshold-area', 0.1)
  assert len(rows(page)) == 2  # both are larger than a tenth of the image
  # What the server has dropped is sent again.
  network.kept.clear()
  slide(page, '#threshold-score', 0.6)
  rows_become(page, 1)
  assert len(network.kept) == 1
  # The next image is answered at these thresholds at once.
  page.set_input_files('#file', {
      'name': '12.png', 'mimeType': 'image/png', 'buffer': support.png(image()[:, ::-1].copy())})
  wait(page, "document.getElementById('name').textContent === '12.png'")
  page.wait_for_selector('#segments tbody tr')
  assert [row[0] for row in rows(page)] == [FIRST]


def test_a_small_segment_can_be_hidden(page):
  made = np.zeros([30, 40, 3], np.uint8)
  made[0, 39] = 255  # one of 1200 pixels
  opened(page, support.png(made))
  assert len(rows(page)) == 2
  slide(page, '#threshold-area', 0.002)
  assert [row[0] for row in rows(page)] == [FIRST]


def download(page, form):
  with page.expect_download() as waiting:
    page.click(f'.downloads [data-format={form}]')
  path = waiting.value.path()
  return waiting.value.suggested_filename, path.read_bytes()


def test_downloads(page):
  opened(page)
  expected = support.result_of(image())
  name, data = download(page, 'ids')
  assert name == 'street_ids.png'
  ids = np.asarray(Image.open(io.BytesIO(data))) @ [1, 256, 65536]
  np.testing.assert_array_equal(ids, expected.id_map)
  name, data = download(page, 'coco')
  assert name == 'street_coco_results.json' and json.loads(data) == expected.to_coco('street')
  name, data = download(page, 'json')
  assert name == 'street_segments.json' and len(json.loads(data)['segments']) == 2
  name, data = download(page, 'overlay')
  drawn = np.asarray(Image.open(io.BytesIO(data)).convert('RGB'))
  assert name == 'street_overlay.png' and drawn.shape[:2] == (780, 1040)  # 26 times as large
  mixed = 0.55 * np.array(support.DATA_SET.classes[0].color)  # over black
  assert np.abs(drawn[390, 260] - mixed).max() <= 3


def test_samples(page):
  page.click('.samples button')
  page.wait_for_selector('#segments tbody tr')
  assert page.inner_text('#name') == 'sample.png' and len(rows(page)) == 2
  page.click('#back')
  assert page.locator('#start').is_visible() and page.locator('#work').is_hidden()


@pytest.mark.parametrize('name, data, message', [
    ('notes.txt', b'hello', 'notes.txt is not an image that this browser can show'),
    ('large.bmp', bytes(400_000), 'large.bmp has 0.4 MB; the server takes images up to 0.3 MB'),
    ('deep.png', support.encoded(np.zeros([9, 9], np.uint16), 'PNG'), 'more than 8 bits')])
def test_what_is_refused_gets_a_message(page, name, data, message):
  drop(page, name, data)
  page.wait_for_selector('#message:not([hidden])')
  assert message in page.inner_text('#message')
  opened(page)  # and the next one is fine
  assert page.locator('#message').is_hidden() and len(rows(page)) == 2


def test_too_many_pixels(page):
  page.evaluate('window.createImageBitmap = async () => ({width: 90000, height: 9000})')
  drop(page, 'huge.png', support.png(image()))
  page.wait_for_selector('#message:not([hidden])')
  assert 'huge.png has 90000 × 9000 pixels; the server takes' in page.inner_text('#message')


@pytest.mark.parametrize('size', [WIDE, NARROW], ids=['wide', 'narrow'])
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_every_size_and_scheme(page, tmp_path, size, scheme):
  page.set_viewport_size(size)
  page.emulate_media(color_scheme=scheme)
  for state in ('start', 'answer'):
    if state == 'answer':
      opened(page)
    page.screenshot(path=tmp_path / f'{state}.png', full_page=True)
    overflow = page.evaluate('document.documentElement.scrollWidth - window.innerWidth')
    assert overflow <= 0, f'{state}: {overflow} pixels beyond the right'
    ground = np.asarray(Image.open(tmp_path / f'{state}.png').convert('L'))[2, 2]
    assert (ground > 200) == (scheme == 'light')
