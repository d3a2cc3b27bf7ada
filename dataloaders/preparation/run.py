"""Converts all splits of a data set into one folder and tells what was found."""

import posixpath
from collections.abc import Mapping

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders.preparation import contact_sheet
from tf_maskformer.dataloaders.preparation import manifest
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.dataloaders.preparation import summary
from tf_maskformer.dataloaders.preparation.runners import Runner
from tf_maskformer.dataloaders.preparation.shards import Report
from tf_maskformer.dataloaders.preparation.source import Source

REPORT = 'report.txt'
_SHOWN = 5  # refused images and remarks that are printed
_SHOWN_CLASSES = 40  # a table of more is in the file only


def run(sources: Mapping[str, Source], data_set: DataSet, output: str, num_shards: int = 0,
        workers: int = 1, runner: Runner | None = None) -> dict[str, Report]:
  """Converts the splits; writes a contact sheet of each before, and a report after.

  Args:
    sources: by split.
    data_set: of all of them; its description is in the folder already.
    output: folder, used by this process alone.
    num_shards: see `shards.convert`.
    workers: see `shards.convert`.
    runner: see `shards.convert`.

  Returns:
    What became of each split's images.

  Raises:
    UserError: see `shards.convert`, `contact_sheet.write`; no training image has a segment.
  """
  reports = {}
  for split, source in sources.items():
    rows = source.rows()
    path = posixpath.join(output, f'contact_sheet_{split}.png')
    if contact_sheet.write(source, rows, data_set, path):
      errors.say(f'{split}: annotated images to look at: {path}')
    reports[split] = shards.convert(
        source, output, split, num_shards, workers, rows, runner)
    for line in _of_split(split, source, reports[split], output):
      errors.say(line)
    _require_segments(split, reports[split])
  counts = {split: report.counts for split, report in reports.items()}
  table = summary.table(data_set, counts)
  remarks = [f'remark: {text}' for text in summary.remarks(data_set, counts)]
  lines = [*summary.sizes(counts), '', *table, '', *remarks]
  path = posixpath.join(output, REPORT)
  with files.writing(path, manifest.ADVICE):
    files.write_text(path, ''.join(f'{line}\n' for line in lines))
  shown = table if data_set.num_classes <= _SHOWN_CLASSES else []
  for line in [*shown, *remarks, f'classes, segments and pixels of each split: {path}']:
    errors.say(line)
  return reports


def _require_segments(split: str, report: Report) -> None:
  """Raises UserError where there is nothing to learn."""
  if split == 'train' and report.counts.empty == report.written:
    raise errors.UserError(
        f'{split}: none of the {report.written} images has a segment of any class, so there is '
        'nothing to learn; correct the annotations, or what --void and --ignore leave out')


def _of_split(split: str, source: Source, report: Report, folder: str) -> list[str]:
  """Returns what became of a split, a line each."""
  kept = f', {report.shards_kept} shards were finished already' if report.shards_kept else ''
  lines = [f'{split}: {report.written} images in {folder}{kept}; '
           f'{len(report.refused)} refused, {len(report.remarks)} with remarks']
  if hasattr(source, 'panoptic'):
    lines.append(f'  {_instances_line(source)}')
  for title, reasons in (('refused', report.refused), ('remark', report.remarks)):
    lines += [
        f'  {title}: {errors.quoted(name)}: {errors.one_line(text)}'
        for name, text in list(reasons.items())[:_SHOWN]]
  if report.refused or report.remarks:
    lines.append(f'  all of them: {folder}/{split}.report.json')
  return lines


def _instances_line(source: Source) -> str:
  """Returns what AP will be measured against in panoptic records."""
  instances = getattr(source, 'instances', '')
  if instances:
    return f'with the instances of {instances}, which AP is measured against'
  return 'without instances: AP, if any, is measured against the panoptic segments'
