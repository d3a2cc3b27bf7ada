"""Labels that follow another rule than their data set's are noticed before they are converted."""

import numpy as np
import pytest
from PIL import Image

from tf_maskformer.dataloaders.preparation import label_check
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import prepare_data


def write(folder, values, count=5, suffix='.png'):
  """Writes labels whose rows hold the values in turns; returns their paths."""
  paths = []
  for k in range(count):
    label = np.resize(values, len(values) * 4)[:, None].repeat(30, 1).astype(np.uint8)
    path = folder / f'{k}{suffix}'
    Image.fromarray(label).save(path)
    paths.append(str(path))
  return paths


@pytest.mark.parametrize('data_set, values, message', [
    # Cityscapes' training ids, where ids are meant, and where the names do not say so.
    ('cityscapes', [0, 0, 1, 2, 8, 10, 13, 255],
     "by its rule, 'id', 75% .* void; read by 'index', .* 12%"),
    # Labels that count from 0, where 0 is void.
    ('ade20k', [0, 0, 0, 1, 2], "'index . 1', 60% .*void; read by 'index', .* 0% are void"),
    # The labels that Mask2Former's preparation writes.
    ('ade20k', [0, 3, 7, 255], r"the values \[255\] have no meaning; read by 'index'"),
    # Labels that count from 1 with 0 as void, where they count from 0.
    ('coco_stuff10k', [1, 2, 171, 5], r"the values \[171\] have no meaning; read by 'index . 1'")])
def test_another_rule(data_set, values, message, tmp_path):
  with pytest.raises(UserError, match=message):
    label_check.require_plausible(write(tmp_path, values), data_set)


@pytest.mark.parametrize('data_set, values', [
    ('cityscapes', [1, 3, 7, 7, 8, 11, 23, 26]), ('cityscapes', [7, 7, 8, 1]),
    ('ade20k', [0, 1, 2, 3, 150]), ('ade20k', [0, 1, 2, 3]), ('coco_stuff10k', [0, 3, 170, 255]),
    ('mapillary', [0, 13, 64, 65]), ('pascal_voc', [0, 0, 0, 0, 15, 255])])
def test_labels_as_published(data_set, values, tmp_path):
  label_check.require_plausible(write(tmp_path, values), data_set)


def test_one_strange_label_is_its_own_fault(tmp_path):
  paths = write(tmp_path, [1, 2, 3])
  Image.fromarray(np.full([4, 4], 255, np.uint8)).save(paths[2])
  (tmp_path / '1.png').write_bytes(b'no image')
  label_check.require_plausible([*paths, str(tmp_path / 'none.png')], 'ade20k')


def test_what_an_owner_said_is_not_doubted(tmp_path):
  path = tmp_path / 'own.yaml'
  path.write_text('classes: [a, b, c]\nlabel_rule: index + 1\nvoid_labels: [0]\n')
  label_check.require_plausible(write(tmp_path, [0, 0, 0, 1, 2]), str(path))


def test_training_ids_of_cityscapes_by_their_names(tmp_path):
  for split in ('leftImg8bit', 'gtFine'):
    (tmp_path / split).mkdir()
  Image.fromarray(np.zeros([8, 8, 3], np.uint8)).save(tmp_path / 'leftImg8bit/0_leftImg8bit.png')
  write(tmp_path / 'gtFine', [7, 11, 26], 1, '_gtFine_labelTrainIds.png')
  with pytest.raises(UserError, match=r'hold training ids .*give --label_suffix _gtFine_labelIds'):
    prepare_data.main([
        'semantic', '--data_set=cityscapes', f'--images={tmp_path}/leftImg8bit', '--split=val',
        f'--labels={tmp_path}/gtFine', '--image_suffix=_leftImg8bit.png', '--workers=1',
        '--label_suffix=_gtFine_labelTrainIds.png', f'--output={tmp_path}/records'])
  assert not (tmp_path / 'records').exists() or not list((tmp_path / 'records').glob('*.tfrecord'))
