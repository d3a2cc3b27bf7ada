"""What an export is worth: the table that is printed, and `export_report.json`."""

from collections.abc import Mapping, Sequence
from typing import Any

import tf_maskformer
from tf_maskformer.errors import UserError
from tf_maskformer.serving.export import compare
from tf_maskformer.serving.export.plan import Plan

NAME = 'export_report.json'
_MEGABYTE = 1e6
_PRINTED = ('pq_all', 'pq_things', 'pq_stuff', 'miou', 'ap', 'ap50')  # scores, the others are saved


def check(plan: Plan, rows: Sequence[Mapping[str, Any]], scores: Mapping[str, float],
          own_scores: Mapping[str, float], main: str) -> None:
  """Checks that an export answers as its checkpoint does.

  Args:
    plan: of the export.
    rows: of the images, see `problem_of`.
    scores: of the export, by name; none where no records were given.
    own_scores: of the checkpoint.
    main: the score that the export is held to.

  Raises:
    UserError: it is beyond the tolerance of its precision.
  """
  is_scored = main in scores
  for row in rows:
    problem = problem_of(plan, row, is_scored)
    if problem:
      height, width = row['size']
      raise UserError(
          f'the export answers otherwise than the checkpoint: at {height}x{width} pixels {problem} '
          f'in {plan.precision}; nothing was written{_advice(plan, is_scored)}')
  allowed = compare.TOLERANCES[plan.precision].score
  if is_scored and not abs(scores[main] - own_scores[main]) <= allowed:
    raise UserError(
        f'the export scores otherwise than the checkpoint: {main} is {scores[main]:.2f}, of the '
        f'checkpoint {own_scores[main]:.2f}, and may differ by {allowed} in {plan.precision}; '
        f'nothing was written{_advice(plan, is_scored)}')


def problem_of(plan: Plan, row: Mapping[str, Any], is_scored: bool) -> str:
  """Returns in a phrase in what an image's answer is beyond the tolerance; '' where it is not.

  Args:
    plan: of the export.
    row: of the image: size, resized, difference and, where it was measured, `own`: see
      `compare.allowed`.
    is_scored: whether the score of records is known.
  """
  tolerance = compare.tolerance_of(plan.precision, row['resized'])
  if is_scored and plan.precision != 'float32':
    tolerance = compare.SANE  # the score on real images says more
  return row['difference'].exceeds(compare.allowed(tolerance, row.get('own')))


def _advice(plan: Plan, is_scored: bool) -> str:
  """Returns what may help, to be appended to a message."""
  if plan.precision == 'float32':
    return ''
  if is_scored or plan.task == 'raw':
    return '; try --precision float32'
  return "; try --precision float32, or --records 'FOLDER/val*' to judge by score"


def make(plan: Plan, reference: Mapping[str, Any], converted: Mapping[str, Any],
         verified: Mapping[str, Any], size: int, memory: Mapping[str, float]) -> dict[str, Any]:
  """Returns the content of `export_report.json`.

  Args:
    plan: of the export.
    reference: what `export_worker.reference` returned.
    converted: what `export_worker.convert` returned.
    verified: what `export_worker.verify` returned.
    size: of the export, bytes.
    memory: the most that each step held, GB.
  """
  images = [{
      'size': list(row['size']), 'resized': row['resized'], **row['difference']._asdict(),
      'of_checkpoint_with_noise': row['own']._asdict() if row.get('own') else None}
      for row in verified['rows']]
  return {
      'tf_maskformer': tf_maskformer.__version__,
      'export': plan.describe(),
      'images': images,
      'tolerance': compare.TOLERANCES[plan.precision]._asdict(),
      'tolerance_of_resized': compare.tolerance_of(plan.precision, True)._asdict(),
      'scored_images': reference['scored'],
      'scores': dict(verified['scores']),
      'scores_of_checkpoint': dict(reference['scores']),
      'seconds_per_image': verified['seconds'],
      'seconds_per_image_of_checkpoint': reference['seconds'],
      'seconds_to_load': verified['load_seconds'],
      'seconds_to_convert': converted['seconds'],
      'bytes': size,
      'peak_memory_gb': dict(memory),
      'operations': list(converted['operations']),
  }


def table(content: Mapping[str, Any]) -> str:
  """Returns a report as aligned text."""
  lines = [f'{"image":<16}{"typical":>10}{"largest":>10}{"equal pixels":>14}']
  for row in content['images']:
    height, width = row['size']
    name = f'{height} x {width}' + (' *' if row['resized'] else '')
    lines.append(
        f'{name:<16}{row["typical"]:>10.1e}{row["largest"]:>10.1e}{_percent(row["equal"]):>14}')
  lines.append('differences of logits in units of their root mean square'
               + ('; *: resized' if any(r['resized'] for r in content['images']) else ''))
  for row in content['images']:
    if row['of_checkpoint_with_noise']:
      height, width = row['size']
      lines.append(
          f'{height} x {width}: rounding changes the checkpoint itself by '
          f'{row["of_checkpoint_with_noise"]["largest"]:.1e}')
  for name in _PRINTED:
    if name in content['scores']:
      value = content['scores'][name]
      own = content['scores_of_checkpoint'].get(name, float('nan'))
      lines.append(f'{name}: {value:.2f}, of the checkpoint {own:.2f}')
  own = content['seconds_per_image_of_checkpoint']
  lines.append(
      f'{content["seconds_per_image"]:.3f} s per image, of the checkpoint {own:.3f}; loaded in '
      f'{content["seconds_to_load"]:.1f} s; {content["bytes"] / _MEGABYTE:.1f} MB')
  return '\n'.join(lines)


def _percent(share: float) -> str:
  """Returns a share as a percentage that is 100 only where it is exactly 1."""
  return '100 %' if share == 1 else f'{min(100 * share, 99.9999):.4f} %'
