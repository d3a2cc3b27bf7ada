"""Results as flat metrics and as a table: panoptic quality, semantic scores, average precision."""

GROUPS = ('all', 'things', 'stuff')
MEASURES = ('pq', 'sq', 'rq')
SEMANTIC = ('miou', 'fwiou', 'macc', 'pacc')
# Besides, of DataSet.semantic_rule 'cityscapes'; the first always, iIoU where instances are known.
CITYSCAPES = ('category_iou', 'iiou', 'category_iiou')
_TITLES = {'ap': 'AP', 'ap50': 'AP50', 'ap75': 'AP75', 'ap_small': 'small', 'ap_medium': 'medium', 'ap_large': 'large'}
INSTANCE = {'coco': tuple(_TITLES), 'cityscapes': ('ap', 'ap50')}  # by DataSet.instance_rule


def names(panoptic: bool, semantic: bool, instance: bool = False, instance_rule: str = 'coco',
          semantic_rule: str = 'detectron2') -> list[str]:
  """Returns the names of the metrics that every such evaluation has."""
  found = []
  if panoptic:
    found += [f'{measure}_{group}' for group in GROUPS for measure in MEASURES]
  if semantic:
    found += SEMANTIC
    if semantic_rule == 'cityscapes':
      found.append(CITYSCAPES[0])
  if instance:
    found += INSTANCE[instance_rule]
  return found


def flat_panoptic(result: dict, classes, per_class: bool = True) -> dict[str, float]:
  """Returns `PanopticQuality.result` as {'pq_all': …, 'pq_class/<name>': …}.

  Args:
    result: the result.
    classes: with a `name` each, by class.
    per_class: whether to add the classes.
  """
  metrics = {f'{measure}_{group}': result[group][measure] for group in GROUPS for measure in MEASURES}
  if per_class:
    metrics.update({f'pq_class/{classes[c].name}': row['pq'] for c, row in result['per_class'].items()})
  return metrics


def flat_semantic(result: dict, classes, per_class: bool = True) -> dict[str, float]:
  """Returns the result of `MeanIoU` or `CityscapesIoU` as {'miou': …, 'iou_class/<name>': …}.

  Of Cityscapes also 'iiou_class/<name>', 'iou_category/<name>' and 'iiou_category/<name>', where
  known. Arguments as `flat_panoptic`.
  """
  metrics = {name: result[name] for name in (*SEMANTIC, *CITYSCAPES) if name in result}
  if not per_class:
    return metrics
  rows = {f'class/{classes[c].name}': row for c, row in result['per_class'].items()}
  rows.update({f'category/{name}': row for name, row in result.get('per_category', {}).items()})
  for measure in ('iou', 'iiou'):
    metrics.update({
        f'{measure}_{name}': row[measure] for name, row in rows.items() if measure in row})
  return metrics


def panoptic_table(result: dict, classes, per_class: bool = True) -> str:
  """Returns the result as aligned text, x100."""
  lines = [f'{"":<24}{"PQ":>7}{"SQ":>7}{"RQ":>7}{"classes":>9}']
  for group in GROUPS:
    row = result[group]
    lines.append(f'{group:<24}' + ''.join(f'{row[m]:7.1f}' for m in MEASURES) + f'{row["num_classes"]:9d}')
  if per_class:
    lines.append(f'{"class":<24}{"PQ":>7}{"SQ":>7}{"RQ":>7}{"TP":>7}{"FP":>7}{"FN":>7}')
    for c, row in result['per_class'].items():
      lines.append(f'{classes[c].name:<24}' + ''.join(f'{row[m]:7.1f}' for m in MEASURES)
                   + ''.join(f'{row[n]:7d}' for n in ('tp', 'fp', 'fn')))
  return '\n'.join(lines)


def semantic_table(result: dict, classes, per_class: bool = True) -> str:
  """Returns the result as aligned text, x100."""
  lines = [f'{"":<24}{"mIoU":>7}{"fwIoU":>7}{"mACC":>7}{"pACC":>7}{"classes":>9}',
           f'{"all":<24}' + ''.join(f'{result[m]:7.1f}' for m in SEMANTIC) + f'{result["num_classes"]:9d}']
  if per_class:
    lines.append(f'{"class":<24}{"IoU":>7}{"ACC":>7}')
    lines += [f'{classes[c].name[:24]:<24}{row["iou"]:7.1f}{row["acc"]:7.1f}' for c, row in result['per_class'].items()]
  return '\n'.join(lines)


def cityscapes_table(result: dict, classes, per_class: bool = True) -> str:
  """Returns the result of `CityscapesIoU` as aligned text, x100; a dash where iIoU is not known."""
  lines = [
      f'{"":<24}{"IoU":>7}{"iIoU":>7}{"fwIoU":>7}{"mACC":>7}{"pACC":>7}{"number":>9}',
      _cityscapes_line('classes', result['miou'], result.get('iiou'))
      + ''.join(f'{result[m]:7.1f}' for m in SEMANTIC[1:]) + f'{result["num_classes"]:9d}',
      _cityscapes_line('categories', result['category_iou'], result.get('category_iiou'))
      + f'{"":21}{result["num_categories"]:9d}']
  if per_class:
    lines.append(f'{"class":<24}{"IoU":>7}{"iIoU":>7}')
    lines += [_cityscapes_line(classes[c].name, row['iou'], row.get('iiou'))
              for c, row in result['per_class'].items()]
    lines.append(f'{"category":<24}{"IoU":>7}{"iIoU":>7}')
    lines += [_cityscapes_line(name, row['iou'], row.get('iiou'))
              for name, row in result['per_category'].items()]
  return '\n'.join(lines)


def _cityscapes_line(name: str, iou: float, iiou: float | None) -> str:
  return f'{name[:24]:<24}{iou:7.1f}' + (f'{"-":>7}' if iiou is None else f'{iiou:7.1f}')


def flat_instance(result: dict, classes, per_class: bool = True) -> dict[str, float]:
  """Returns the result of `InstanceAP` or `CityscapesAP` as {'ap': …, 'ap_class/<name>': …}; see `flat_panoptic`."""
  metrics = {name: result[name] for name in _TITLES if name in result}
  if per_class:
    metrics.update({f'ap_class/{classes[c].name}': value for c, value in result['per_class'].items()})
  return metrics


def instance_table(result: dict, classes, per_class: bool = True) -> str:
  """Returns the result as aligned text, x100."""
  measured = [name for name in _TITLES if name in result]
  lines = [f'{"":<24}' + ''.join(f'{_TITLES[name]:>7}' for name in measured),
           f'{"masks":<24}' + ''.join(f'{result[name]:7.1f}' for name in measured)]
  if per_class:
    lines.append(f'{"class":<24}{"AP":>7}')
    lines += [f'{classes[c].name[:24]:<24}{value:7.1f}' for c, value in result['per_class'].items()]
  return '\n'.join(lines)
