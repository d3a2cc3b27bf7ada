"""Which workers there are, and which of them this process is."""

import json

import pytest

from tf_maskformer.errors import UserError
from tf_maskformer.training import cluster

HOSTS = 'a:2222,b.example:2222,[::1]:2223'
MULTI = 'multi_worker_mirrored'


def tf_config(workers, kind='worker', index=0, **others):
  return {'TF_CONFIG': json.dumps({
      'cluster': {'worker': workers, **others}, 'task': {'type': kind, 'index': index}})}


def test_flags():
  found = cluster.named(HOSTS, '2', {})
  assert found == (3, 2, False, ('a:2222', 'b.example:2222', '[::1]:2223'))
  assert found.address == ('::1', 2223)
  assert cluster.named(HOSTS, '0', {}).is_chief
  assert cluster.named(None, None, {}) is None


def test_variable_and_flags_that_agree():
  environ = tf_config(['a:1', 'b:1'], index=1)
  assert cluster.named(None, None, environ) == (2, 1, False, ('a:1', 'b:1'))
  assert cluster.named('a:1, b:1', '1', environ).index == 1


def test_a_chief_comes_before_the_workers():
  environ = tf_config(['b:1', 'c:1'], index='1', chief=['a:1'])
  assert cluster.named(None, None, environ) == (3, 2, False, ('a:1', 'b:1', 'c:1'))
  environ = tf_config(['b:1', 'c:1'], 'chief', chief=['a:1'])
  assert cluster.named(None, None, environ).is_chief


@pytest.mark.parametrize('hosts, index, environ, words', [
    (HOSTS, None, {}, '--task_index is missing'),
    (None, '0', {}, '--worker_hosts is missing'),
    (HOSTS, '3', {}, '--task_index is 3, but --worker_hosts has 3 workers, from 0 to 2'),
    (HOSTS, '-1', {}, '--task_index -1 is not a whole number'),
    (HOSTS, 'x', {}, '--task_index x is not a whole number'),
    ('a:1,a:1', '0', {}, 'a:1 twice'),
    ('a:1,b', '0', {}, "'b', which is not host:port"),
    ('a:1,b:0', '0', {}, "'b:0', which is not"),
    ('a:1,b:65536', '0', {}, 'up to 65535'),
    ('', '0', {}, "'', which is not host:port"),
    ('a:1,c:1', '0', tf_config(['a:1', 'b:1']), 'disagree .worker 0 of a:1,c:1; worker 0 of a:1,b'),
    ('a:1,b:1', '1', tf_config(['a:1', 'b:1']), 'disagree'),
    (None, None, {'TF_CONFIG': '{"cluster": '}, 'TF_CONFIG is not JSON'),
    (None, None, {'TF_CONFIG': '[' * 100000}, 'TF_CONFIG is not JSON'),
    (None, None, {'TF_CONFIG': '[1]'}, 'TF_CONFIG is not a JSON object'),
    (None, None, {'TF_CONFIG': '{"cluster": [1]}'}, 'cluster is not a JSON object'),
    (None, None, tf_config('a:1'), "no list of 'host:port' under worker"),
    (None, None, tf_config(['a:1', 2]), "no list of 'host:port' under worker"),
    (None, None, tf_config(['a:1'], index=1), 'has the index 1, but there are 1'),
    (None, None, tf_config(['a:1'], index=True), 'has the index True'),
    (None, None, tf_config(['a:1'], index=None), 'has the index None'),
    (None, None, tf_config(['a:1'], 'evaluator'), 'the type evaluator, of which its cluster has'),
    (None, None, tf_config(['a:1'], 'chief'), 'the type chief, of which its cluster has none'),
    (None, None, tf_config(['a:1'], ['x']), 'of which its cluster has none'),
    (None, None, tf_config(['a:1'], ps=['b:1']), 'tasks of type ps'),
    (None, None, tf_config(['a:1'], chief=['b:1', 'c:1']), '2 chiefs')])
def test_a_cluster_that_is_described_wrong(hosts, index, environ, words):
  with pytest.raises(UserError, match=words):
    cluster.named(hosts, index, environ)


def test_the_strategy_decides():
  several = cluster.named(HOSTS, '1', {})
  assert cluster.of_strategy(several, MULTI, {}) is several
  one = cluster.named('a:1', '0', {})
  assert cluster.of_strategy(one, 'mirrored', {}) == cluster.ALONE
  assert cluster.of_strategy(one, MULTI, {}) is one
  assert cluster.of_strategy(None, 'one_device', {'SLURM_STEP_NUM_TASKS': '4'}) == cluster.ALONE
  with pytest.raises(UserError, match="3 workers are named, but .* is 'mirrored'"):
    cluster.of_strategy(several, 'mirrored', {})
  with pytest.raises(UserError, match='no workers are named; give --worker_hosts'):
    cluster.of_strategy(None, MULTI, {})
  with pytest.raises(UserError, match='srun started 2 tasks, but 3 workers are named'):
    cluster.of_strategy(several, MULTI, {'SLURM_STEP_NUM_TASKS': '2'})


def test_a_slurm_step(monkeypatch):
  step = {
      'SLURM_JOB_ID': '20007', 'SLURM_PROCID': '2', 'SLURM_STEP_NUM_TASKS': '3',
      'SLURM_STEP_NODELIST': 'n[08-09]', 'SLURM_STEP_TASKS_PER_NODE': '2,1'}
  for name, value in step.items():
    monkeypatch.setenv(name, value)
  assert cluster.of_strategy(None, MULTI, step) == (
      3, 2, False, ('n08:12007', 'n08:12008', 'n09:12007'))
  monkeypatch.setenv('SLURM_STEP_NODELIST', 'n[08')
  with pytest.raises(UserError, match='SLURM step does not tell its workers .*n.08'):
    cluster.of_strategy(None, MULTI, step)


def test_batches_that_replicas_cannot_share():
  cluster.check_shares(12, 6, 3, 'train_data')
  message = 'train_data.global_batch_size=10 cannot be shared by 6 replicas .3 workers with 2 each'
  with pytest.raises(UserError, match=message):
    cluster.check_shares(10, 6, 3, 'train_data')
  with pytest.raises(UserError, match='cannot be shared by 2 GPUs'):
    cluster.check_shares(3, 2, 1, 'train_data')
