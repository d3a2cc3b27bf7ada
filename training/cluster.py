"""The workers of a training, read from the command or its environment before TensorFlow starts."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from tf_maskformer import errors

MULTI_WORKER = 'multi_worker_mirrored'
VARIABLE = 'TF_CONFIG'
_STEP_TASKS = 'SLURM_STEP_NUM_TASKS'  # srun sets it for each process that it starts
_JOB = 'SLURM_JOB_ID'
# Ports of SLURM's workers: from here on, by the job's id, so that jobs that share a node differ;
# below 32768, where Linux begins to hand out ports by itself.
_FIRST_PORT = 12000
_PORTS = 20000
_ADDRESS = re.compile(r'(?P<host>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})')
_LAST_PORT = 65535
_CHIEF = 'chief'
_WORKER = 'worker'


class Cluster(NamedTuple):
  """The workers of one training, and which of them this process is.

  Attributes:
    num_workers: how many there are.
    index: of this one, from 0.
    is_chief: whether it is the one that holds the folder's lock, prints and writes: worker 0.
    hosts: 'host:port' of each worker; empty without a cluster.
  """
  num_workers: int
  index: int  # type: ignore[assignment]  # hides the method of tuples
  is_chief: bool
  hosts: tuple[str, ...] = ()

  @property
  def address(self) -> tuple[str, int]:
    """Host and port of this worker."""
    host, _, port = self.hosts[self.index].rpartition(':')
    return host.strip('[]'), int(port)


ALONE = Cluster(1, 0, True)


def named(worker_hosts: str | None, task_index: str | None, environ: Mapping[str, str]
          ) -> Cluster | None:
  """Returns the cluster that the flags or TF_CONFIG name; None where they name none.

  Args:
    worker_hosts: of the flags: 'host:port,host:port', the same on every worker; None: not given.
    task_index: of the flags: which of them this process is; None: not given.
    environ: the environment.

  Raises:
    UserError: the cluster is not described well, or is described twice and differently.
  """
  by_flags = _of_flags(worker_hosts, task_index)
  by_variable = _of_variable(environ.get(VARIABLE, ''))
  if by_flags and by_variable and by_flags != by_variable:
    raise errors.UserError(
        f'--worker_hosts and {VARIABLE} disagree ({_described(by_flags)}; {_described(by_variable)}'
        f'); leave out the flags or unset {VARIABLE}')
  return by_flags or by_variable


def of_strategy(given: Cluster | None, strategy: str, environ: Mapping[str, str]) -> Cluster:
  """Returns the cluster that a strategy is for; `ALONE` for one of one process.

  Args:
    given: what `named` returned.
    strategy: `runtime.distribution_strategy`; where no workers are named, 'multi_worker_mirrored'
      takes the tasks of a SLURM step.
    environ: the environment.

  Raises:
    UserError: the workers are not named, or are not what the strategy is for.
  """
  if strategy != MULTI_WORKER:
    _refuse_several(given, strategy)
    return ALONE
  if given:
    _check_step(given, environ)
    return given
  if environ.get(_STEP_TASKS):
    return _of_slurm(environ)
  raise errors.UserError(
      f"runtime.distribution_strategy is '{MULTI_WORKER}', but no workers are named; give "
      f"--worker_hosts and --task_index, set {VARIABLE}, start with srun, or use 'mirrored' on one "
      'machine')


def check_shares(batch: int, num_replicas: int, num_workers: int, name: str) -> None:
  """Raises UserError where a batch cannot be shared by the replicas of all workers.

  Args:
    batch: global batch size.
    num_replicas: of all workers.
    num_workers: they have num_replicas / num_workers each.
    name: the task's field, for the message.
  """
  if batch % num_replicas == 0:
    return
  per_worker = num_replicas // num_workers
  kind = 'GPUs'
  if num_workers > 1:
    kind = f'replicas ({num_workers} workers with {per_worker} each)'
  raise errors.UserError(
      f'task.{name}.global_batch_size={batch} cannot be shared by {num_replicas} {kind}; choose a '
      f'multiple, e.g. {-(-batch // num_replicas) * num_replicas}')


def _of_flags(worker_hosts: str | None, task_index: str | None) -> Cluster | None:
  if worker_hosts is None and task_index is None:
    return None
  if worker_hosts is None or task_index is None:
    missing = '--worker_hosts' if worker_hosts is None else '--task_index'
    raise errors.UserError(
        f'{missing} is missing; a worker needs --worker_hosts host:port,host:port and --task_index '
        'with its own position there')
  hosts = [one.strip() for one in worker_hosts.split(',')]
  if not re.fullmatch(r'[0-9]{1,9}', task_index.strip()):
    raise errors.UserError(
        f'--task_index {errors.quoted(task_index)} is not a whole number from 0; give the position '
        'of this worker in --worker_hosts')
  return _checked(hosts, int(task_index), '--worker_hosts', '--task_index')


def _of_variable(text: str) -> Cluster | None:
  """Returns the cluster of TF_CONFIG; None where it is not set or names no workers."""
  if not text.strip():
    return None
  content = _mapping(_parsed(text), f'{VARIABLE}')
  cluster = _mapping(content.get('cluster', {}), f"{VARIABLE}'s cluster")
  if not cluster:
    return None
  others = sorted(set(cluster) - {_CHIEF, _WORKER})
  if others:
    raise errors.UserError(
        f"{VARIABLE} has tasks of type {errors.quoted(others[0])}; '{_WORKER}' and '{_CHIEF}' are "
        'the ones that train here')
  chiefs = _addresses(cluster.get(_CHIEF, []), _CHIEF)
  workers = _addresses(cluster.get(_WORKER, []), _WORKER)
  if len(chiefs) > 1:
    raise errors.UserError(f'{VARIABLE} has {len(chiefs)} chiefs; name one')
  task = _mapping(content.get('task', {}), f"{VARIABLE}'s task")
  kind = task.get('type')
  index = task.get('index')
  of_kind = {_CHIEF: chiefs, _WORKER: workers}.get(kind) if isinstance(kind, str) else None
  if not of_kind:
    raise errors.UserError(
        f"{VARIABLE}'s task has the type {errors.quoted(kind)}, of which its cluster has none; "
        'correct it')
  if isinstance(index, str) and re.fullmatch(r'[0-9]{1,9}', index):
    index = int(index)  # as some job systems write it
  if type(index) is not int or not 0 <= index < len(of_kind):
    raise errors.UserError(
        f"{VARIABLE}'s task has the index {errors.quoted(index)}, but there are {len(of_kind)} of "
        f"type '{kind}', from 0; correct it")
  position = index if kind == _CHIEF else len(chiefs) + index
  return _checked([*chiefs, *workers], position, VARIABLE, f"{VARIABLE}'s task")


def _parsed(text: str) -> Any:
  try:
    return json.loads(text)
  except (ValueError, RecursionError) as e:
    raise errors.UserError(
        f'{VARIABLE} is not JSON ({errors.quoted(e)}); it looks like '
        '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}'
    ) from e


def _mapping(value: Any, where: str) -> dict[str, Any]:
  if not isinstance(value, dict):
    raise errors.UserError(f'{where} is not a JSON object; correct it')
  return value


def _addresses(value: Any, kind: str) -> list[str]:
  if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
    raise errors.UserError(
        f"{VARIABLE}'s cluster has no list of 'host:port' under {kind}; correct it")
  return value


def _checked(hosts: list[str], index: int, where: str, where_index: str) -> Cluster:
  """Returns the cluster of these hosts; raises UserError where one is not an address."""
  for host in hosts:
    match = _ADDRESS.fullmatch(host)
    if not match or not 0 < int(match['port']) <= _LAST_PORT:
      raise errors.UserError(
          f"{where} has '{errors.quoted(host)}', which is not host:port with a port up to "
          f'{_LAST_PORT}; correct it')
    if hosts.count(host) > 1:
      raise errors.UserError(f'{where} has {host} twice; each worker needs its own port')
  if index >= len(hosts):
    raise errors.UserError(
        f'{where_index} is {index}, but {where} has {len(hosts)} workers, from 0 to '
        f'{len(hosts) - 1}; correct one of them')
  return Cluster(len(hosts), index, index == 0, tuple(hosts))


def _described(cluster: Cluster) -> str:
  return f'worker {cluster.index} of {errors.quoted(",".join(cluster.hosts))}'


def _refuse_several(given: Cluster | None, strategy: str) -> None:
  """Raises UserError where several workers are named for a strategy of one process."""
  if given and given.num_workers > 1:
    raise errors.UserError(
        f"{given.num_workers} workers are named, but runtime.distribution_strategy is '{strategy}'"
        f"; set it to '{MULTI_WORKER}', or leave out --worker_hosts and {VARIABLE}")


def _check_step(given: Cluster, environ: Mapping[str, str]) -> None:
  """Raises UserError where srun started another number of processes than workers are named."""
  tasks = environ.get(_STEP_TASKS, '')
  if tasks.isdecimal() and int(tasks) > 1 and int(tasks) != given.num_workers:
    raise errors.UserError(
        f'srun started {int(tasks)} tasks, but {given.num_workers} workers are named by '
        f'--worker_hosts or {VARIABLE}; leave them out, or start as many tasks')


def _of_slurm(environ: Mapping[str, str]) -> Cluster:
  """Returns the cluster of a SLURM step; TensorFlow's resolver reads the process's environment."""
  from tensorflow import distribute
  job = environ.get(_JOB, '0')
  port = _FIRST_PORT + (int(job) if job.isdecimal() else 0) % _PORTS
  try:
    tasks = int(environ[_STEP_TASKS])
    # It looks for nvidia-smi unless told of GPUs; those of a task, SLURM shows to its process.
    resolver = distribute.cluster_resolver.SlurmClusterResolver(
        port_base=port, gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False)
    hosts = resolver.cluster_spec().as_dict()[_WORKER]
    return _checked(hosts, int(environ['SLURM_PROCID']), 'the SLURM step', 'SLURM_PROCID')
  except (RuntimeError, ValueError, KeyError, AssertionError, IndexError) as e:
    raise errors.UserError(
        f'the SLURM step does not tell its workers ({errors.quoted(e)}); start with srun, or give '
        '--worker_hosts and --task_index') from e
