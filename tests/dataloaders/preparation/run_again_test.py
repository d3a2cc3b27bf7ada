"""A conversion that ends early never leaves a folder that looks finished."""

import numpy as np
import pytest

from tests.dataloaders.preparation.custom import drawn
from tests.dataloaders.preparation.custom import drawn_labels
from tf_maskformer.configs.datasets import facts
from tf_maskformer.errors import UserError


def test_former_records_are_not_taken_for_those_of_other_classes(tmp_path):
  data = tmp_path / 'data'
  drawn_labels.pairs(data, [drawn_labels.blocks([0, 1], k).astype(np.uint8) for k in range(4)])
  output = tmp_path / 'records'
  flags = f'--data={data}', '--split=0.5'
  drawn.prepare(output, *flags, '--classes=road,car')
  assert facts.are_prepared(str(output))
  with pytest.raises(UserError, match='train.txt does not exist'):
    drawn.prepare(
        output, f'--data={data}', '--split_files', f'{tmp_path}/train.txt',
        f'{tmp_path}/val.txt', '--classes=car,road')
  assert not facts.are_prepared(str(output))
  drawn.prepare(output, *flags, '--classes=car,road')
  assert facts.are_prepared(str(output))


def test_training_images_with_nothing_to_learn_stop_the_conversion(tmp_path):
  data = tmp_path / 'data'
  nothing = np.full(drawn_labels.SIZE, 255, np.uint8)
  drawn_labels.pairs(data, [nothing, nothing])
  output = tmp_path / 'records'
  with pytest.raises(UserError, match='train: none of the 1 images has a segment of any class'):
    drawn.prepare(output, f'--data={data}', '--split=0.5', '--classes=car', '--void=255')
  assert not facts.are_prepared(str(output))
