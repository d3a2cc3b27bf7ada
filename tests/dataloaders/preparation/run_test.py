"""A conversion of all splits: what is printed, what is in the report, what comes first."""

import json

import pytest
from PIL import Image

from tests.dataloaders.preparation.custom import drawn
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders.preparation import coco_panoptic
from tf_maskformer.dataloaders.preparation import described
from tf_maskformer.dataloaders.preparation import run
from tf_maskformer.dataloaders.preparation import shapes
from tf_maskformer.dataloaders.preparation.coco_instances import CocoInstances
from tf_maskformer.errors import UserError


@pytest.fixture(name='output')
def make_output(tmp_path):
  """A folder with the description of cats and dogs."""
  folder = tmp_path / 'out'
  folder.mkdir()
  (folder / 'data_set.yaml').write_text('classes: [{id: 4, name: cat}, {id: 9, name: dog}]')
  return folder


def source(output, images, missing=0, split='train', description='data_set.yaml'):
  """Writes images, some of them missing; returns their source with a dog in each."""
  folder = output.parent / split
  names = [f'{split}{k}.png' for k in range(images)]
  for name in names[missing:]:
    drawn.image(folder / name)
  path = drawn.coco_json(output.parent / f'{split}.json', names)
  return CocoInstances(str(folder), path, str(output / description))


def convert(output, sources, description='data_set.yaml'):
  return run.run(sources, catalog.get(str(output / description)), str(output))


def test_two_splits(output, capsys):
  sources = {'train': source(output, 3), 'val': source(output, 2, split='val')}
  reports = convert(output, sources)
  assert {split: report.written for split, report in reports.items()} == {'train': 3, 'val': 2}
  printed = capsys.readouterr().out.splitlines()
  remark = '1 instances without a usable area; it is that of the mask'  # all of them are the same
  assert printed[:6] == [
      f'train: annotated images to look at: {output}/contact_sheet_train.png',
      f'train: 3 images in {output}; 0 refused, 3 with remarks',
      *(f'  remark: train{k}.png: {remark}' for k in range(3)),
      f'  all of them: {output}/train.report.json']
  lines = (output / 'report.txt').read_text().split('\n')
  assert lines[:3] == ['train: 3 images of 80x40 to 80x40 pixels, at most 1 segments in one',
                       'val: 2 images of 80x40 to 80x40 pixels, at most 1 segments in one', '']
  # A dog is 32 x 20 of 80 x 40 pixels.
  assert lines[6].split() == ['dog', 'thing', '3', '3', '20.0%', '2', '2', '20.0%']
  assert 'remark: train: 1 class has no pixel: cat' in lines
  table_and_remarks = [line for line in lines[3:] if line]
  assert printed[-1 - len(table_and_remarks):-1] == table_and_remarks
  assert printed[-1] == f'classes, segments and pixels of each split: {output}/report.txt'
  for split in ('train', 'val'):
    assert Image.open(output / f'contact_sheet_{split}.png').format == 'PNG'
    report = json.loads((output / f'{split}.report.json').read_text())
    assert report['counts']['classes'] == {'1': {
        'images': reports[split].written, 'segments': reports[split].written,
        'pixels': 640 * reports[split].written}}


def test_finished_shards_are_kept(output, capsys):
  sources = {'train': source(output, 3)}
  convert(output, sources)
  before = (output / 'report.txt').read_text()
  capsys.readouterr()
  assert convert(output, sources)['train'].shards_kept == 3
  assert f'train: 3 images in {output}, 3 shards were fin' in capsys.readouterr().out
  assert (output / 'report.txt').read_text() == before


def test_some_of_many_refused_images_are_printed(output, capsys):
  report = convert(output, {'train': source(output, 9, missing=7)})['train']
  assert (report.written, len(report.refused)) == (2, 7)
  printed = capsys.readouterr().out.splitlines()
  refused = [line for line in printed if line.startswith('  refused: train')]
  assert len(refused) == 5 and all('does not exist' in line for line in refused)
  assert f'  all of them: {output}/train.report.json' in printed
  assert len(json.loads((output / 'train.report.json').read_text())['refused']) == 7


def test_no_image_can_be_used(output):
  with pytest.raises(UserError, match='train: no image could be used; the first: .*does not exist'):
    convert(output, {'train': source(output, 2, missing=2)})
  assert not (output / 'contact_sheet_train.png').exists()


def test_the_sheet_is_there_before_the_records(output, monkeypatch):
  def conversion(*args):
    assert (output / 'contact_sheet_train.png').exists()
    raise InterruptedError

  monkeypatch.setattr(run.shards, 'convert', conversion)
  with pytest.raises(InterruptedError):
    convert(output, {'train': source(output, 2)})


@pytest.mark.parametrize('extra, is_shown', [(38, True), (39, False)])
def test_a_long_table_is_in_the_file_only(output, capsys, extra, is_shown):
  names = [f'{{id: {100 + k}, name: c{k}}}' for k in range(extra)]
  (output / 'many.yaml').write_text(
      f'classes: [{{id: 4, name: cat}}, {{id: 9, name: dog}}, {", ".join(names)}]')
  convert(output, {'train': source(output, 1, description='many.yaml')}, 'many.yaml')
  assert ('\nc37  ' in capsys.readouterr().out) == is_shown
  assert '\nc37  ' in (output / 'report.txt').read_text()


def test_panoptic_records_say_what_ap_is_measured_against(tmp_path, capsys):
  shapes.write(str(tmp_path / 'drawn'), shapes.Options(train=1, validation=2, size=32))
  data_set = catalog.get('shapes_panoptic')
  output = str(tmp_path / 'out')
  described.write(output, data_set, ['val'])
  bare = coco_panoptic.coco_splits(str(tmp_path / 'drawn'), 'shapes_panoptic')['val']
  run.run({'val': bare}, data_set, output)
  assert '  without instances: AP, if any, is measured against the pan' in capsys.readouterr().out
  content = json.loads((tmp_path / 'drawn/annotations/panoptic_val2017.json').read_text())
  path = tmp_path / 'instances.json'
  path.write_text(json.dumps({**content, 'annotations': []}))
  full = coco_panoptic.CocoPanopticWithInstances(**vars(bare), instances=str(path))
  run.run({'val': full}, data_set, output)
  assert f'  with the instances of {path}, which AP is measured against' in capsys.readouterr().out


def test_a_report_that_cannot_be_written(output):
  (output / 'report.txt').mkdir()
  with pytest.raises(UserError, match='report.txt.*run the same command again'):
    convert(output, {'train': source(output, 1)})


def test_training_images_with_nothing_to_learn(output):
  path = output.parent / 'train.json'
  bare = source(output, 2)
  content = json.loads(path.read_text())
  path.write_text(json.dumps({**content, 'annotations': []}))
  with pytest.raises(UserError, match='train: none of the 2 images has a segment of any class'):
    convert(output, {'train': bare})
