"""Predicts the time of a training step on 1 to 256 accelerators, and what limits it.

    python scripts/step_time.py                                      # all models, NVIDIA A100
    python scripts/step_time.py --machine tpu_v4 --batch 2
    python scripts/step_time.py --machine cpu --one_machine --batch 2 --workers 1,2,3 \\
      --model mask2former_r50 --side 512 --measured 1=10.2,2=21,3=32

A step takes as long as the slower of two things that run at the same time: the arithmetic followed
by the all-reduce, and the input pipeline.

  arithmetic  batch x FLOP per image / (peak x utilization); counted by scripts/step_flops.py
  all-reduce  2 (n - 1) / n x 4 bytes x parameters / bandwidth + 2 (n - 1) x latency: a ring
  input       batch / (cores per accelerator x images per second and core)

Nothing of the all-reduce is hidden behind the arithmetic. --measured compares: the first value
sets the utilization, the others are predicted.
"""

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer.errors import UserError

_BYTES = 4  # of a gradient's number
_MOST = 4096  # accelerators
_SIDE = 1024  # pixels, of what MODELS says


class Model(NamedTuple):
  """What a step of a model works on, as scripts/step_flops.py counts it.

  Attributes:
    experiment: the registered name.
    flops: of a training step per image of 1024 x 1024, with static shapes: as many masks as
      task.train_data.parser.max_segments are compared with the predictions.
    parameters: that are trained.
  """
  experiment: str
  flops: float
  parameters: float


MODELS = {
    'maskformer_r50': Model('maskformer_coco_panoptic', 1.2989e12, 45.01e6),
    'maskformer_swin_large': Model('maskformer_coco_panoptic_swin_large', 5.9768e12, 211.57e6),
    'mask2former_r50': Model('mask2former_coco_panoptic', 1.8864e12, 43.98e6),
    'mask2former_swin_large': Model('mask2former_coco_panoptic_swin_large', 6.7205e12, 215.54e6),
}


class Machine(NamedTuple):
  """Constants of an accelerator and of what is around it.

  Attributes:
    peak: FLOP per second.
    utilization: the share of it that a step reaches.
    bandwidth: bytes per second that an accelerator sends in the all-reduce.
    latency: seconds of one of its 2 (n - 1) messages.
    cores: of processors per accelerator, for the input pipeline.
    rate: images per second that a core prepares.
    source: where the numbers are from.
  """
  peak: float
  utilization: float
  bandwidth: float
  latency: float
  cores: float
  rate: float
  source: str


_RATE = 45.5  # 91 images per second on two cores, docs/benchmark.md
_ASSUMED = 0.3  # utilization of a large accelerator; an assumption, to be replaced by --utilization
MACHINES = {
    'cpu': Machine(
        130e9, 0.6, 1e9, 1e-3, 2, _RATE,
        'two cores with AVX2, docs/benchmark.md; loopback measured, docs/cluster.md'),
    'v100': Machine(
        125e12, _ASSUMED, 12.5e9 / 8, 2e-5, 6, _RATE,
        'data sheet (float16); 8 share 100 Gbit/s between hosts'),
    'a100': Machine(
        312e12, _ASSUMED, 200e9 / 8, 2e-5, 12, _RATE,
        'data sheet (bfloat16); 8 with 200 Gbit/s each'),
    'tpu_v4': Machine(
        275e12, _ASSUMED, 100e9, 1e-5, 60, _RATE,
        'data sheet (bfloat16); links of 100 GB/s; 240 cores per host of 4 chips'),
}


_CONSTANTS = ('peak', 'utilization', 'bandwidth', 'latency', 'cores', 'rate')  # that flags replace
_WORK = ('flops', 'parameters')


class Step(NamedTuple):
  """Seconds of a step and of its parts."""
  arithmetic: float
  all_reduce: float
  input: float

  @property
  def seconds(self) -> float:
    return max(self.arithmetic + self.all_reduce, self.input)

  @property
  def limit(self) -> str:
    return max(
        ('arithmetic', self.arithmetic), ('all-reduce', self.all_reduce), ('input', self.input),
        key=lambda part: part[1])[0]


def predict(model: Model, machine: Machine, count: int, batch: int, side: int = _SIDE,
            one_machine: bool = False) -> Step:
  """Returns the seconds of a step.

  Args:
    model: what is computed.
    machine: on what.
    count: accelerators.
    batch: images of each.
    side: of an image, in pixels; the arithmetic is taken to grow with the pixels.
    one_machine: all `count` workers share one machine's processors.
  """
  flops = model.flops * (side / _SIDE) ** 2
  sharing = count if one_machine else 1
  bytes_sent = 2 * (count - 1) / count * _BYTES * model.parameters
  return Step(
      sharing * batch * flops / (machine.peak * machine.utilization),
      bytes_sent / machine.bandwidth + 2 * (count - 1) * machine.latency,
      sharing * batch / (machine.cores * machine.rate))


def fitted(model: Model, machine: Machine, batch: int, side: int, count: int, seconds: float
           ) -> Machine:
  """Returns the machine with the utilization at which `count` workers on one take `seconds`."""
  step = predict(model, machine, count, batch, side, one_machine=True)
  arithmetic = seconds - step.all_reduce
  if arithmetic <= 0:
    raise UserError(f'--measured {count}={seconds:g} is less than the all-reduce alone')
  return machine._replace(utilization=machine.utilization * step.arithmetic / arithmetic)


def flags() -> cli.Parser:
  parser = cli.Parser(__doc__)
  parser.add_argument('--machine', default='a100', help=', '.join(MACHINES))
  parser.add_argument('--model', help=f'default: all of {", ".join(MODELS)}')
  parser.add_argument('--batch', type=int, default=2, help='images per accelerator')
  parser.add_argument('--side', type=int, default=_SIDE, help='of an image, in pixels')
  parser.add_argument(
      '--workers', default='1,2,4,8,16,32,64,128,256', help='numbers of accelerators')
  parser.add_argument('--one_machine', action='store_true', help='workers that share one machine')
  parser.add_argument(
      '--measured', default='', help='seconds per step of local workers, 1=S,2=S,...; implies '
      '--one_machine, needs --model')
  for name in _CONSTANTS:
    parser.add_argument(f'--{name}', type=float, help="instead of the machine's")
  for name in _WORK:
    parser.add_argument(
        f'--{name}', type=float, help="instead of the model's, e.g. of a smaller experiment; "
        'scripts/step_flops.py counts it')
  return parser


def _numbers(text: str, flag: str) -> list[int]:
  try:
    found = [int(part) for part in text.split(',')]
  except ValueError as e:
    raise UserError(f'{flag} {errors.quoted(text)} is not whole numbers, e.g. 1,2,4') from e
  errors.require(
      all(1 <= n <= _MOST for n in found),
      f'{flag} {errors.quoted(text)} is not within 1 .. {_MOST}')
  return found


def _measured(text: str) -> dict[int, float]:
  """Returns seconds by number of workers."""
  found = {}
  for part in text.split(','):
    count, _, seconds = part.partition('=')
    try:
      found[int(count)] = float(seconds)
    except ValueError as e:
      raise UserError(
          f'--measured {errors.quoted(text)} is not workers=seconds, e.g. 1=4.0,2=8.3') from e
  errors.require(
      all(1 <= n <= _MOST and 0 < s < 1e6 for n, s in found.items()),
      f'--measured {errors.quoted(text)} has a number that is not positive')
  return found


def _replaced(named: Any, names: Sequence[str], args: argparse.Namespace) -> Any:
  """Returns a named tuple with the values of the flags `names` that are given."""
  for name in names:
    value = getattr(args, name)
    if value is not None:
      errors.require(0 < value < 1e30, f'--{name} {value:g} is not a positive number')
      named = named._replace(**{name: value})
  return named


def _machine(args: argparse.Namespace) -> Machine:
  if args.machine not in MACHINES:
    raise errors.unknown('machine', args.machine, MACHINES)
  machine = _replaced(MACHINES[args.machine], _CONSTANTS, args)
  errors.require(
      machine.utilization <= 1, f'--utilization {machine.utilization:g} is above 1')
  return machine


def table(name: str, machine: Machine, args: argparse.Namespace) -> list[str]:
  """Returns the lines of a Markdown table of one model."""
  model = _replaced(MODELS[name], _WORK, args)
  lines = [
      f'{name}: {model.flops / 1e9:.0f} GFLOP per image of {_SIDE} x {_SIDE}, '
      f'{model.parameters / 1e6:.1f} M parameters', '',
      '| accelerators | s per step | images/s | efficiency | arithmetic | all-reduce | input |',
      '|---|---|---|---|---|---|---|']
  alone = predict(model, machine, 1, args.batch, args.side).seconds
  for count in _numbers(args.workers, '--workers'):
    step = predict(model, machine, count, args.batch, args.side, args.one_machine)
    rate = count * args.batch / step.seconds
    lines.append(
        f'| {count} | {step.seconds:.4g} | {rate:.4g} | {alone * rate / count / args.batch:.2f} | '
        f'{step.arithmetic:.4g} | {step.all_reduce:.3g} | {step.input:.3g} |')
  return lines


def comparison(name: str, machine: Machine, args: argparse.Namespace) -> list[str]:
  """Returns the lines of a Markdown table of what was measured next to what is predicted."""
  measured = _measured(args.measured)
  model = _replaced(MODELS[name], _WORK, args)
  first = next(iter(measured))
  machine = fitted(model, machine, args.batch, args.side, first, measured[first])
  lines = [
      f'{name}: utilization {machine.utilization:.2f} at {first} worker(s)', '',
      '| local workers | measured s per step | predicted | measured / predicted |',
      '|---|---|---|---|']
  for count, seconds in measured.items():
    expected = predict(model, machine, count, args.batch, args.side, one_machine=True).seconds
    lines.append(f'| {count} | {seconds:.4g} | {expected:.4g} | {seconds / expected:.2f} |')
  return lines


def main(argv: Sequence[str]) -> None:
  """Prints the tables.

  Raises:
    UserError: a flag is wrong.
  """
  args = flags().parse(argv)
  machine = _machine(args)
  if args.model is not None and args.model not in MODELS:
    raise errors.unknown('model', args.model, MODELS)
  errors.require(args.batch >= 1, f'--batch {args.batch} is below 1')
  errors.require(32 <= args.side <= 16384, f'--side {args.side} is not within 32 .. 16384')
  errors.require(not args.measured or args.model is not None, '--measured needs --model')
  print(f'{args.machine}: {machine.source}; batch {args.batch}, {args.side} x {args.side}, '
        f'utilization {machine.utilization:g}')
  make = comparison if args.measured else table
  for name in [args.model] if args.model else MODELS:
    print('\n' + '\n'.join(make(name, machine, args)))


if __name__ == '__main__':
  cli.run(main)
