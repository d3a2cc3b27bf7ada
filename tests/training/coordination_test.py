"""What a worker makes of another one's end; the processes themselves are in tests/cluster."""

import pytest
import tensorflow as tf

from tf_maskformer.training import coordination
from tf_maskformer.training.cluster import Cluster

CLUSTER = Cluster(3, 2, False, ('a:1', 'b:1', 'c:1'))
HEAD = 'Collective ops is aborted by: '
SILENT = (
    HEAD + 'Error reported from /job:worker/task:1: The following tasks are unhealthy (stopped '
    'sending heartbeats):\n/job:worker/replica:0/task:1\nThe tasks have crashed.')


@pytest.mark.parametrize('message, wanted', [
    (SILENT, 'worker 1 (b:1) ended or cannot be reached'),
    (HEAD + 'Error reported from /job:worker/task:0: the disk is full\nThe error could be',
     'worker 0 ended: the disk is full'),
    (HEAD + 'Deadline Exceeded\n\nRPC: /tensorflow.CoordinationService/Heartbeat',
     'worker 0 (a:1) ended or cannot be reached'),
    (HEAD + 'recvmsg:Connection reset by peer from remote target /job:worker/replica:0/task:0',
     'worker 0 (a:1) ended or cannot be reached'),
    (HEAD + 'Socket closed', 'another worker ended or cannot be reached')])
def test_explanation(message, wanted):
  assert coordination.explanation(message, CLUSTER) == wanted


def test_an_error_of_collectives_is_told_from_others():
  workers = coordination.Workers(CLUSTER)
  message = 'worker 1 .b:1. ended.*same command'
  with pytest.raises(coordination.WorkerEnded, match=message), workers.together():
    try:
      raise tf.errors.UnavailableError(None, None, SILENT)
    except tf.errors.OpError as e:
      raise ValueError('saving failed') from e


def test_one_alone_is_answered_at_once():
  alone = coordination.Workers()
  assert alone.is_chief and not alone.are_several
  assert alone.told(lambda: (1, 'a')) == (1, 'a')
  assert alone.gathered('b') == ['b']
  alone.require_equal('c', 'what')
  with pytest.raises(tf.errors.UnavailableError), alone.together():
    raise tf.errors.UnavailableError(None, None, SILENT)
