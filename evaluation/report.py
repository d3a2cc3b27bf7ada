"""Results of evaluations as flat metrics, as a table, and as columns of a results table."""

from collections.abc import Mapping, Sequence
from typing import Any

GROUPS = ('all', 'things', 'stuff')
MEASURES = ('pq', 'sq', 'rq')
SEMANTIC = ('miou', 'fwiou', 'macc', 'pacc')
# In addition, of Cityscapes; the first always, iIoU where instances are known.
CITYSCAPES = ('category_iou', 'iiou', 'category_iiou')
_AP_TITLES = {
    'ap': 'AP', 'ap50': 'AP50', 'ap75': 'AP75', 'ap_small': 'small', 'ap_medium': 'medium',
    'ap_large': 'large'}


class Report:
  """How the result of one kind of score is reported.

  Attributes:
    COLUMNS: titles in a results table, by name of the metric.
    names: of the metrics that every such evaluation has.
  """
  COLUMNS: Mapping[str, str] = {}
  names: Sequence[str] = ()

  def metrics(self, result: dict, classes: Sequence[Any], per_class: bool) -> dict[str, float]:
    """Returns the metrics by name, those of classes as '<measure>_class/<name>'.

    Args:
      result: of the metric's `result`.
      classes: with a `name` each, by class.
      per_class: whether to add the classes.
    """
    raise NotImplementedError

  def table(self, result: dict, classes: Sequence[Any], per_class: bool) -> str:
    """Returns the result as aligned text, x100; arguments as `metrics`."""
    raise NotImplementedError


class PanopticReport(Report):
  """Of `PanopticQuality`."""
  COLUMNS = {
      'pq_all': 'PQ', 'sq_all': 'SQ', 'rq_all': 'RQ', 'pq_things': 'PQ things',
      'pq_stuff': 'PQ stuff'}
  _PREFIX = ''  # of the metrics' names
  _TITLE = ''  # above the table
  names = tuple(f'{measure}_{group}' for group in GROUPS for measure in MEASURES)

  def metrics(self, result, classes, per_class):
    """See `Report`."""
    metrics = {}
    for group in GROUPS:
      for measure in MEASURES:
        metrics[f'{self._PREFIX}{measure}_{group}'] = result[group][measure]
    if per_class:
      for c, row in result['per_class'].items():
        metrics[f'{self._PREFIX}pq_class/{classes[c].name}'] = row['pq']
    return metrics

  def table(self, result, classes, per_class):
    """See `Report`."""
    lines = [f'{self._TITLE:<24}{"PQ":>7}{"SQ":>7}{"RQ":>7}{"classes":>9}']
    for group in GROUPS:
      row = result[group]
      lines.append(f'{group:<24}{_numbers(row, MEASURES)}{row["num_classes"]:9d}')
    if per_class:
      lines.append(f'{"class":<24}{"PQ":>7}{"SQ":>7}{"RQ":>7}{"TP":>7}{"FP":>7}{"FN":>7}')
      for c, row in result['per_class'].items():
        counts = f'{row["tp"]:7d}{row["fp"]:7d}{row["fn"]:7d}'
        lines.append(f'{classes[c].name:<24}{_numbers(row, MEASURES)}{counts}')
    return '\n'.join(lines)


class BoundaryPanopticReport(PanopticReport):
  """Of `PanopticQuality` of boundaries."""
  COLUMNS = {'boundary_pq_all': 'boundary PQ'}
  _PREFIX = 'boundary_'
  _TITLE = 'boundaries'
  names = tuple(f'boundary_{name}' for name in PanopticReport.names)


class SemanticReport(Report):
  """Of `MeanIoU`."""
  COLUMNS = {'miou': 'mIoU', 'fwiou': 'fwIoU', 'macc': 'mACC', 'pacc': 'pACC'}
  names = SEMANTIC

  def metrics(self, result, classes, per_class):
    """See `Report`."""
    metrics = {name: result[name] for name in SEMANTIC}
    if per_class:
      for c, row in result['per_class'].items():
        metrics[f'iou_class/{classes[c].name}'] = row['iou']
    return metrics

  def table(self, result, classes, per_class):
    """See `Report`."""
    lines = [
        f'{"":<24}{"mIoU":>7}{"fwIoU":>7}{"mACC":>7}{"pACC":>7}{"classes":>9}',
        f'{"all":<24}{_numbers(result, SEMANTIC)}{result["num_classes"]:9d}']
    if per_class:
      lines.append(f'{"class":<24}{"IoU":>7}{"ACC":>7}')
      for c, row in result['per_class'].items():
        lines.append(f'{classes[c].name[:24]:<24}{_numbers(row, ("iou", "acc"))}')
    return '\n'.join(lines)


class CityscapesReport(Report):
  """Of `CityscapesIoU`; categories too, and a dash where iIoU is not known."""
  COLUMNS = {
      'miou': 'mIoU', 'iiou': 'iIoU', 'category_iou': 'IoU categories',
      'category_iiou': 'iIoU categories', 'fwiou': 'fwIoU', 'macc': 'mACC', 'pacc': 'pACC'}
  names = (*SEMANTIC, CITYSCAPES[0])

  def metrics(self, result, classes, per_class):
    """See `Report`; also 'iiou_class/…', 'iou_category/…' and 'iiou_category/…', where known."""
    metrics = {name: result[name] for name in (*SEMANTIC, *CITYSCAPES) if name in result}
    if not per_class:
      return metrics
    rows = {f'class/{classes[c].name}': row for c, row in result['per_class'].items()}
    rows.update({f'category/{name}': row for name, row in result['per_category'].items()})
    for measure in ('iou', 'iiou'):
      for name, row in rows.items():
        if measure in row:
          metrics[f'{measure}_{name}'] = row[measure]
    return metrics

  def table(self, result, classes, per_class):
    """See `Report`."""
    of_classes = _with_instances('classes', result['miou'], result.get('iiou'))
    of_categories = _with_instances(
        'categories', result['category_iou'], result.get('category_iiou'))
    lines = [
        f'{"":<24}{"IoU":>7}{"iIoU":>7}{"fwIoU":>7}{"mACC":>7}{"pACC":>7}{"number":>9}',
        f'{of_classes}{_numbers(result, SEMANTIC[1:])}{result["num_classes"]:9d}',
        f'{of_categories}{"":21}{result["num_categories"]:9d}']
    if per_class:
      lines.append(f'{"class":<24}{"IoU":>7}{"iIoU":>7}')
      for c, row in result['per_class'].items():
        lines.append(_with_instances(classes[c].name, row['iou'], row.get('iiou')))
      lines.append(f'{"category":<24}{"IoU":>7}{"iIoU":>7}')
      for name, row in result['per_category'].items():
        lines.append(_with_instances(name, row['iou'], row.get('iiou')))
    return '\n'.join(lines)


class InstanceReport(Report):
  """Of `InstanceAP`."""
  COLUMNS = {'ap': 'AP', 'ap50': 'AP50'}
  _MEASURES: Sequence[str] = tuple(_AP_TITLES)
  _PREFIX = ''  # of the metrics' names
  _ROW = 'masks'
  names = _MEASURES

  def metrics(self, result, classes, per_class):
    """See `Report`."""
    metrics = {f'{self._PREFIX}{name}': result[name] for name in self._MEASURES}
    if per_class:
      for c, value in result['per_class'].items():
        metrics[f'{self._PREFIX}ap_class/{classes[c].name}'] = value
    return metrics

  def table(self, result, classes, per_class):
    """See `Report`."""
    titles = ''.join(f'{_AP_TITLES[name]:>7}' for name in self._MEASURES)
    lines = [f'{"":<24}{titles}', f'{self._ROW:<24}{_numbers(result, self._MEASURES)}']
    if per_class:
      lines.append(f'{"class":<24}{"AP":>7}')
      for c, value in result['per_class'].items():
        lines.append(f'{classes[c].name[:24]:<24}{value:7.1f}')
    return '\n'.join(lines)


class BoundaryInstanceReport(InstanceReport):
  """Of `BoundaryAP`."""
  COLUMNS = {'boundary_ap': 'boundary AP'}
  _PREFIX = 'boundary_'
  _ROW = 'boundaries'
  names = tuple(f'boundary_{name}' for name in _AP_TITLES)


class CityscapesInstanceReport(InstanceReport):
  """Of `CityscapesAP`."""
  _MEASURES = ('ap', 'ap50')
  names = _MEASURES


# In the order of the columns of a results table.
REPORTS = (
    PanopticReport, BoundaryPanopticReport, CityscapesReport, SemanticReport, InstanceReport,
    BoundaryInstanceReport, CityscapesInstanceReport)


def columns() -> dict[str, str]:
  """Returns the titles of all metrics that a results table may show, by name of the metric."""
  titles = {}
  for report in REPORTS:
    titles.update(report.COLUMNS)
  return titles


def _numbers(row: Mapping[str, float], names: Sequence[str]) -> str:
  return ''.join(f'{row[name]:7.1f}' for name in names)


def _with_instances(name: str, iou: float, iiou: float | None) -> str:
  of_instances = f'{"-":>7}' if iiou is None else f'{iiou:7.1f}'
  return f'{name[:24]:<24}{iou:7.1f}{of_instances}'
