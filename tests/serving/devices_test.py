"""A device is chosen before TensorFlow computes; one that is not there is one line."""

import pytest
import tensorflow as tf

from tf_maskformer.errors import UserError
from tf_maskformer.serving import devices


@pytest.fixture(name='chosen')
def make_machine(monkeypatch):
  """A machine with two GPUs; returns what is made visible."""
  chosen = []
  monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: ['first', 'second'])
  monkeypatch.setattr(
      tf.config, 'set_visible_devices', lambda found, kind: chosen.append((found, kind)))
  return chosen


@pytest.mark.parametrize('device, visible', [
    ('cpu', []), ('gpu', ['first']), ('gpu:0', ['first']), ('GPU:1', ['second']), ('CPU:0', [])])
def test_choice(chosen, device, visible):
  devices.select(device)
  assert chosen == [(visible, 'GPU')]


@pytest.mark.parametrize('device, message', [
    ('gpu:2', '--device gpu:2 is not there; TensorFlow finds gpu:0, gpu:1'),
    ('cuda', "--device 'cuda' is not a device; give cpu, gpu or gpu:N"),
    ('cpu:1', 'is not a device'), ('', 'is not a device'), ('gpu:', 'is not a device')])
def test_mistakes(chosen, device, message):
  with pytest.raises(UserError, match=message):
    devices.select(device)
  assert not chosen


def test_no_gpu(monkeypatch):
  monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: [])
  devices.select('cpu')
  with pytest.raises(UserError, match='finds no GPU on this machine; give cpu'):
    devices.select('gpu')


def test_too_late(monkeypatch):
  def refuse(found, kind):
    raise RuntimeError('Visible devices cannot be modified after being initialized')

  monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: ['first'])
  monkeypatch.setattr(tf.config, 'set_visible_devices', refuse)
  with pytest.raises(UserError, match='--device cpu comes too late'):
    devices.select('cpu')
