"""Addresses of the input service."""

import pytest

from tf_maskformer.configs import addresses
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.fields import rule
from tf_maskformer.errors import UserError


def test_what_is_an_address():
  assert addresses.of_service('') == ''
  assert addresses.of_service('grpc://cpu-1.local:5050') == 'cpu-1.local:5050'
  assert addresses.of_service('grpc://[::1]:1') == '[::1]:1'
  assert addresses.host_of('[::1]:1') == '::1' and addresses.port_of('[::1]:65535') == 65535
  assert addresses.listed('a:1, b:2', '--x') == ['a:1', 'b:2']


@pytest.mark.parametrize('url, message', [
    ('host:5050', 'task.train_data.service: host:5050 is not grpc://HOST:PORT'),
    ('http://host:5050', 'is not grpc://HOST:PORT'), ('grpc://host', 'host is not HOST:PORT'),
    ('grpc://host:0', 'is not HOST:PORT'), ('grpc://host:70000', 'is not HOST:PORT'),
    ('grpc://:5', 'is not HOST:PORT'), ('grpc://a b:5', 'is not HOST:PORT'),
    ('grpc://a:5/x', 'is not HOST:PORT')])
def test_what_is_not(url, message):
  with pytest.raises(UserError, match=message):
    rule(DataConfig(), 'service').check(url, 'task.train_data.service')
