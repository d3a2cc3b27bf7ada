"""Trainings of several local workers, each a process of train.py at a port of its own."""

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Sequence

from tests import support
from tf_maskformer.scripts.free_hosts import free_hosts

EXPERIMENT = 'maskformer_shapes_panoptic'
# Small enough for a step in a fraction of a second.
SMALL = (
    'task.train_data.parser.output_size=[64,64]', 'task.validation_data.parser.output_size=[64,64]',
    'task.train_data.global_batch_size=6', 'task.validation_data.global_batch_size=0',
    'task.model.pixel_decoder.width=32', 'task.model.pixel_decoder.mask_width=32',
    'task.model.transformer_decoder.layers=2', 'trainer.checkpoint_interval=2',
    'trainer.steps_per_loop=1', 'trainer.validation_interval=1000',
    'trainer.optimizer_config.learning_rate.schedule=constant',
    'trainer.optimizer_config.learning_rate.boundaries=[]',
    'trainer.optimizer_config.learning_rate.warmup_steps=0',
    'runtime.distribution_strategy=multi_worker_mirrored')
CHIEF, OTHER = 0o022, 0o077  # umasks, by which a file tells who wrote it
_PAUSE = 0.1


class Job:
  """The processes of one training."""

  def __init__(self, logs: pathlib.Path, records: os.PathLike, model_dir: os.PathLike,
               num_workers: int, overrides: Sequence[str] = (), flags: Sequence[str] = (),
               mode: str = 'train'):
    """Starts all workers.

    Args:
      logs: a folder for what they print.
      records: of the embedded data set.
      model_dir: of the run.
      num_workers: how many.
      overrides: 'key=value' in addition to `SMALL`, which they override.
      flags: of train.py, in addition.
      mode: of train.py.
    """
    logs.mkdir(parents=True, exist_ok=True)
    self._logs = logs
    self.hosts = free_hosts(num_workers)
    self._command = [
        sys.executable, 'train.py', '--experiment', EXPERIMENT, '--mode', mode,
        '--model_dir', os.fspath(model_dir), '--worker_hosts', ','.join(self.hosts),
        '--params_override', ','.join(SMALL), *flags]
    if overrides:
      self._command += ['--params_override', ','.join(overrides)]
    self._environment = {
        **os.environ, 'TFRECORDS_DIR': os.fspath(records), 'CUDA_VISIBLE_DEVICES': '-1',
        'OMP_NUM_THREADS': '1', 'TF_CPP_MIN_LOG_LEVEL': '3'}
    self.processes: list[subprocess.Popen] = []
    for index in range(num_workers):
      self.start(index)

  def start(self, index: int) -> None:
    """Starts one worker."""
    with open(self._logs / f'{index}.out', 'w', encoding='utf-8') as out, open(
        self._logs / f'{index}.err', 'w', encoding='utf-8') as err:
      self.processes.append(subprocess.Popen(
          [*self._command, '--task_index', str(index)], cwd=support.ROOT, env=self._environment,
          stdout=out, stderr=err, umask=CHIEF if index == 0 else OTHER))

  def out(self, index: int) -> str:
    """Returns what a worker printed so far."""
    return (self._logs / f'{index}.out').read_text(encoding='utf-8')

  def err(self, index: int) -> str:
    """Returns a worker's errors so far, without what TensorFlow's server says of itself."""
    lines = (self._logs / f'{index}.err').read_text(encoding='utf-8').splitlines()
    return '\n'.join(one for one in lines if one and 'grpc_server_lib' not in one
                     and 'absl::InitializeLog' not in one)

  def wait_for(self, text: str, index: int = 0, seconds: float = 240) -> None:
    """Waits until a worker has printed a text; raises where it ends before, or takes longer."""
    end = time.monotonic() + seconds
    while text not in self.out(index):
      ended = self.processes[index].poll() is not None
      if ended and text not in self.out(index) or time.monotonic() > end:
        raise AssertionError(f'{text!r} did not come: {self.out(index)} {self.err(index)}')
      time.sleep(_PAUSE)

  def wait(self, seconds: float = 480) -> list[int]:
    """Waits for all workers and returns their exit codes; kills those that take longer."""
    end = time.monotonic() + seconds
    try:
      return [one.wait(max(end - time.monotonic(), 0.1)) for one in self.processes]
    finally:
      self.kill()

  def kill(self) -> None:
    """Ends what still runs."""
    for one in self.processes:
      if one.poll() is None:
        one.kill()
        one.wait()

  def __enter__(self) -> 'Job':
    return self

  def __exit__(self, *unused: object) -> None:
    self.kill()
