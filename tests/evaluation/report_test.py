"""Results as metrics, as a table, and as the columns of a results table."""

import types

import pytest

from tf_maskformer.evaluation import report

CLASSES = [types.SimpleNamespace(name='road'), types.SimpleNamespace(name='car')]
IOU = {'miou': 60.0, 'fwiou': 61.0, 'macc': 62.0, 'pacc': 63.0, 'num_classes': 2,
       'per_class': {0: {'iou': 70.0, 'acc': 71.0}, 1: {'iou': 50.0, 'acc': 51.0}}}
CITY = {**IOU, 'category_iou': 64.0, 'num_categories': 1,
        'per_category': {'flat': {'iou': 72.0}}}
PRECISION = {'ap': 30.0, 'ap50': 31.0, 'ap75': 32.0, 'ap_small': 33.0, 'ap_medium': 34.0,
             'ap_large': 35.0, 'per_class': {1: 36.0}}
ROW = {'pq': 40.0, 'sq': 80.0, 'rq': 50.0}
QUALITY = {**{group: {**ROW, 'num_classes': 2} for group in report.GROUPS},
           'per_class': {1: {**ROW, 'tp': 3, 'fp': 1, 'fn': 2}}}
RESULTS = {
    report.PanopticReport: QUALITY, report.SemanticReport: IOU, report.CityscapesReport: CITY,
    report.InstanceReport: PRECISION, report.CityscapesInstanceReport: PRECISION,
    report.BoundaryPanopticReport: QUALITY, report.BoundaryInstanceReport: PRECISION}


@pytest.mark.parametrize('make', report.REPORTS)
def test_the_names_that_are_always_there(make):
  found = make().metrics(RESULTS[make], CLASSES, per_class=False)
  assert set(make.names) == set(found) & set(make.names)
  assert not any('/' in name for name in found)


@pytest.mark.parametrize('make, name, value', [
    (report.PanopticReport, 'pq_class/car', 40.0), (report.SemanticReport, 'iou_class/road', 70.0),
    (report.CityscapesReport, 'iou_category/flat', 72.0),
    (report.InstanceReport, 'ap_class/car', 36.0),
    (report.BoundaryPanopticReport, 'boundary_pq_class/car', 40.0),
    (report.BoundaryInstanceReport, 'boundary_ap_class/car', 36.0)])
def test_classes(make, name, value):
  assert make().metrics(RESULTS[make], CLASSES, per_class=True)[name] == value
  last = make().table(RESULTS[make], CLASSES, per_class=True).splitlines()[-1]
  without = make().table(RESULTS[make], CLASSES, per_class=False)
  assert last.split()[0] in ('car', 'flat') and last not in without


def test_no_two_reports_have_a_name_in_common():
  together = [report.PanopticReport, report.BoundaryPanopticReport, report.SemanticReport,
              report.InstanceReport, report.BoundaryInstanceReport]
  names = [name for make in together for name in make.names]
  assert len(set(names)) == len(names)
  found = [name for make in together for name in make().metrics(RESULTS[make], CLASSES, True)]
  assert len(set(found)) == len(found)


def test_tables_say_which_is_of_boundaries():
  for make in (report.BoundaryPanopticReport, report.BoundaryInstanceReport):
    assert 'boundaries' in make().table(RESULTS[make], CLASSES, per_class=False)


def test_a_dash_where_instances_are_not_known():
  lines = report.CityscapesReport().table(CITY, CLASSES, per_class=False).splitlines()
  assert lines[1].split() == ['classes', '60.0', '-', '61.0', '62.0', '63.0', '2']


def test_cityscapes_precision_has_no_sizes():
  table = report.CityscapesInstanceReport().table(PRECISION, CLASSES, per_class=False)
  assert table.split() == ['AP', 'AP50', 'masks', '30.0', '31.0']


def test_columns():
  columns = report.columns()
  assert [columns[name] for name in ('pq_all', 'miou', 'ap')] == ['PQ', 'mIoU', 'AP']
  known = {name for make in report.REPORTS for name in (*make.names, *report.CITYSCAPES)}
  assert set(columns) <= known
