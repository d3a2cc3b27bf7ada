"""The programs that are disturbed: what they are started with, and on what.

Everything is small: 64x64 images of the embedded data set, thin models, 40 steps in which every
7th is saved and every 14th is evaluated, so that some are both.
"""

import dataclasses
import functools
import pathlib
import shutil
from collections.abc import Callable, Mapping

from tests.faults import facts
from tests.faults import good_files
from tests.faults import injector
from tests.faults import processes
from tests.faults.injector import Call
from tests.faults.outcome import Fault
from tests.faults.warm import Warm

STEPS = 40
MODELS = ('maskformer', 'mask2former')
_EXPERIMENT = '{}_shapes_panoptic'
_SETTINGS = """
task:
  train_data:
    input_path: {records}/train*.tfrecord
    global_batch_size: 2
    parser: {{output_size: [64, 64]}}
  validation_data:
    input_path: {records}/val*.tfrecord
    global_batch_size: 2
    parser: {{output_size: [64, 64]}}
  model:
    num_queries: 10
    backbone: {{resnet: {{stem_channels: 8, res2_channels: 16, bottleneck_channels: 8}}}}
    pixel_decoder: {{width: 32, mask_width: 32, encoder_feedforward: 32}}
    transformer_decoder: {{layers: 2, hidden: 32, feedforward: 32}}
trainer:
  train_steps: {steps}
  steps_per_loop: 4
  checkpoint_interval: 7
  validation_interval: 14
  max_to_keep: 3
  best_checkpoint_eval_metric: validation_loss
  best_checkpoint_metric_comp: lower
  optimizer_config: {{learning_rate: {{warmup_steps: 5}}}}
"""


@dataclasses.dataclass(frozen=True)
class Job:
  """A program with its arguments.

  Attributes:
    name: of the job.
    argv: returns script and arguments for an output, a folder or a file.
    output: name of that in the folder of a case.
    words: patterns of its output at which it is worth killing.
    prepare: called with the output before the first start; puts there what the program works on.
    workers: whether the program has children.
    may_repeat: whether every start adds the same values to TensorBoard's files.
  """
  name: str
  argv: Callable[[pathlib.Path], list[str]]
  output: str = 'out'
  words: tuple[str, ...] = ()
  prepare: Callable[[pathlib.Path], object] = lambda output: None
  workers: bool = False
  may_repeat: bool = False

  def facts_of(self, folder: pathlib.Path) -> facts.Facts:
    """Returns what is compared of the folder that the output is in."""
    return facts.of(folder, self.may_repeat)


@dataclasses.dataclass(frozen=True)
class Reference:
  """An undisturbed run of a job.

  Attributes:
    facts: what its output holds.
    seconds: it took.
    calls: its calls that change files.
    output: what it printed.
  """
  facts: facts.Facts
  seconds: float
  calls: list[Call]
  output: str


class World:
  """The data, the jobs, and undisturbed runs of them, each made when it is first asked for."""

  def __init__(self, folder: pathlib.Path):
    """Takes the folder of all temporary files of the campaign."""
    self.folder = folder
    self.injector = injector.Injector(folder)
    self.warm = Warm()
    self._references: dict[str, Reference] = {}

  @functools.cached_property
  def shapes(self) -> pathlib.Path:
    """The embedded data set, drawn."""
    return self._made('shapes', lambda output: [
        'scripts/make_shapes.py', '--output', str(output), '--train', '10', '--validation', '5',
        '--size', '64'])

  @functools.cached_property
  def records(self) -> pathlib.Path:
    """The embedded data set as records."""
    return self._made('records', functools.partial(self._convert, self.shapes, 2))

  @functools.cached_property
  def many_shapes(self) -> pathlib.Path:
    """More images, so that their conversion takes a while."""
    return self._made('many_shapes', lambda output: [
        'scripts/make_shapes.py', '--output', str(output), '--train', '300', '--validation', '60',
        '--size', '128'])

  @functools.cached_property
  def settings(self) -> pathlib.Path:
    """The file of settings that every training uses."""
    path = self.folder / 'tiny.yaml'
    path.write_text(_SETTINGS.format(records=self.records, steps=STEPS))
    return path

  @functools.cached_property
  def good_files(self) -> good_files.Good:
    """Good files of every format."""
    self.reference(self.jobs['export'])
    return good_files.make(self.output_of('export'), self.run_folder('maskformer'))

  def run_folder(self, model: str) -> pathlib.Path:
    """Returns the folder of an undisturbed training, which must not be changed."""
    self.reference(self.jobs[f'train {model}'])
    return self.output_of(f'train {model}')

  @functools.cached_property
  def half_run(self) -> pathlib.Path:
    """The folder of a training that was killed after step 32, with a checkpoint of step 28."""
    output = self.folder / 'half'
    processes.run(
        self.jobs['train maskformer'].argv(output), blow=processes.Kill(0, 'step 32/'))
    return output

  @functools.cached_property
  def jobs(self) -> Mapping[str, Job]:
    """All jobs by name."""
    found = [*map(self._train, MODELS), *map(self._evaluate, MODELS), *map(self._predict, MODELS)]
    found += [self._export('convert', 'converted'), self._export('export', 'official.pkl')]
    found.append(Job(
        'prepare', lambda output: self._convert(self.many_shapes, 12, output), workers=True,
        words=(r'\d+%',)))
    found.append(Job('make_shapes', lambda output: [
        'scripts/make_shapes.py', '--output', str(output), '--train', '12', '--validation', '6',
        '--size', '64']))
    return {job.name: job for job in found}

  def reference(self, job: Job) -> Reference:
    """Returns the undisturbed run of a job."""
    if job.name not in self._references:
      output = self.output_of(job.name)
      output.parent.mkdir(parents=True)
      job.prepare(output)
      log = output.parent.with_suffix('.log')
      ended = self._must_succeed(
          job.argv(output), self.injector.environment(output.parent, log=log))
      calls = injector.calls(log, output.parent)
      self._references[job.name] = Reference(
          job.facts_of(output.parent), ended.seconds, calls, ended.output)
    return self._references[job.name]

  def output_of(self, name: str) -> pathlib.Path:
    """Returns the output of the undisturbed run of a job, which must not be changed."""
    return self.folder / 'references' / name.replace(' ', '_') / self.jobs[name].output

  def _made(self, name: str, argv: Callable[[pathlib.Path], list[str]]) -> pathlib.Path:
    output = self.folder / name
    self._must_succeed(argv(output), {})
    return output

  def _must_succeed(self, argv: list[str], environment: Mapping[str, str]) -> processes.Ended:
    ended = processes.run(argv, environment)
    if ended.code:
      raise Fault(f'undisturbed, {argv[0]} ended with exit code {ended.code}', ended.output)
    return ended

  def _convert(self, shapes: pathlib.Path, shards: int, output: pathlib.Path) -> list[str]:
    return [
        'scripts/prepare_data.py', 'coco_panoptic', '--data_set', 'shapes_panoptic', '--coco_root',
        str(shapes), '--output', str(output), '--shards', str(shards), '--workers', '2']

  def _train(self, model: str) -> Job:
    return Job(
        f'train {model}',
        lambda output: [
            'train.py', '--experiment', _EXPERIMENT.format(model), '--model_dir', str(output),
            '--config_file', str(self.settings)],
        words=(
            'weights:', 'step 4/', 'saved .*ckpt-7', 'saved .*ckpt-14', 'evaluation at step 14',
            'best so far', 'step 20/', 'saved .*ckpt-28', 'evaluation at step 28', 'step 32/',
            'saved .*ckpt-40', 'evaluation at step 40'))

  def _evaluate(self, model: str) -> Job:
    return Job(
        f'eval {model}', lambda output: ['train.py', '--mode', 'eval', '--model_dir', str(output)],
        prepare=lambda output: shutil.copytree(self.run_folder(model), output),
        words=('weights:', 'evaluation at step'), may_repeat=True)

  def _predict(self, model: str) -> Job:
    return Job(
        f'predict {model}',
        lambda output: [
            'scripts/predict.py', '--checkpoint', str(self.run_folder(model)), '--input',
            str(self.shapes / 'train2017'), '--output', str(output)],
        words=(r' 1/10', r' 5/10', r' 9/10', r'10/10'))

  def _export(self, name: str, output: str) -> Job:
    return Job(
        name,
        lambda output: [
            'scripts/convert_checkpoint.py', '--checkpoint', str(self.run_folder('maskformer')),
            '--output', str(output)],
        output=output)
