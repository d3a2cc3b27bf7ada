"""The names of formats, what a task may write, and that --help has them all."""

import pytest

from tf_maskformer.errors import UserError
from tf_maskformer.scripts import predict
from tf_maskformer.serving import formats


def test_names():
  assert formats.parse(['png', 'coco,labelme', 'png']) == ('png', 'coco', 'labelme')
  with pytest.raises(UserError, match="--format 'labelmee' is unknown; did you mean labelme"):
    formats.parse(['labelmee'])


def test_what_is_written_by_default():
  assert formats.of_task((), 'panoptic') == ('png', 'labels', 'overlay', 'coco_panoptic', 'coco')
  assert 'labels' not in formats.of_task((), 'instance')
  assert 'coco' not in formats.of_task((), 'semantic')
  assert formats.of_task(('labelme',), 'semantic') == ('labelme',)
  with pytest.raises(UserError, match='does not tell apart; choose from png, .*fiftyone'):
    formats.of_task(('png', 'coco'), 'semantic')


def test_endings():
  assert formats.endings(['png', 'coco_panoptic', 'coco', 'labelme']) == ('.png', '.json')


def test_help_describes_every_format():
  for name in formats.FORMATS:
    assert f'\n  {name} ' in predict.__doc__
