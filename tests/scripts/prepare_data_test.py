"""What each layout asks for; conversions themselves are tested next to the layouts."""

import pytest

from tf_maskformer.errors import UserError
from tf_maskformer.scripts import prepare_data

ONE_SPLIT = 'give either --coco_root or all of --images, --annotations, --panoptic and --split'


@pytest.mark.parametrize('flags, message', [
    ('coco_panoptic', ONE_SPLIT),
    ('coco_panoptic --images=a --annotations=b --split=val', ONE_SPLIT),
    ('coco_panoptic --coco_root=a --split=val', ONE_SPLIT),
    ('coco_instances', 'coco_instances needs --coco_root, or --images, --annotations and --split'),
    ('coco_instances --images=a --split=val', 'coco_instances needs'),
    ('coco_instances --coco_root=a --instances=b', '--instances goes with coco_panoptic'),
    ('cityscapes', 'cityscapes needs --cityscapes_root'),
    ('cityscapes --cityscapes_root=a --targets=polygons', 'data set cityscapes has stuff'),
    ('semantic --images=a --labels=b --split=val', 'needs --images, --labels, --split and --data_'),
    ('semantic --targets=pixels', '--targets has no effect on semantic'),
    ('semantic --data_set=ade', "data set 'ade' is unknown"),
    ('semantic --shards=-1', '--shards must be 0 or more'),
    ('semantic --workers=0', '--workers 1 or more'),
    ('coco', 'invalid choice')])
def test_flags_that_do_not_suffice(flags, message, tmp_path):
  with pytest.raises(UserError, match=message):
    prepare_data.main([*flags.split(), f'--output={tmp_path}/records'])
  assert not (tmp_path / 'records').exists()


@pytest.mark.parametrize('layout, flags, data_set, splits', [
    ('coco_panoptic', '--coco_root=a', 'coco_panoptic', ['train', 'val']),
    ('coco_instances', '--coco_root=a', 'coco_instance', ['train', 'val']),
    ('cityscapes', '--cityscapes_root=a', 'cityscapes', ['train', 'val']),
    ('coco_instances', '--images=a --annotations=b --split=x', 'coco_instance', ['x'])])
def test_sources_and_their_default_data_set(layout, flags, data_set, splits):
  args = prepare_data.flags().parse([layout, *flags.split(), '--output=b'])
  sources = prepare_data.sources_of(args)
  assert list(sources) == splits
  assert {source.data_set for source in sources.values()} == {data_set}


@pytest.mark.parametrize('split, skips', [('train', True), ('train_small', True), ('val', False)])
def test_only_training_skips_images_without_instances(split, skips):
  args = prepare_data.flags().parse(
      ['coco_instances', '--images=a', '--annotations=b', f'--split={split}', '--output=c'])
  assert prepare_data.sources_of(args)[split].skip_empty == skips
