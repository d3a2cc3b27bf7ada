"""Images of any size become maps of their own size."""

import numpy as np
import pytest

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import registry
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.serving.predictor import Predictor


@pytest.mark.parametrize('short_edges', [[], [48]])
def test_any_size(short_edges):
  task = registry.get('maskformer_shapes_panoptic').task
  task.validation_data.parser.augmentation.short_edges = short_edges
  task.validation_data.parser.augmentation.long_edge_limit = 96 if short_edges else 0
  task.evaluation.object_mask_threshold = task.evaluation.overlap_threshold = 0.0
  task.model.size_divisibility = 32
  task.resolve()
  model = build_model(task.model, seed=0)
  model.predictor.class_embed.bias.assign([0.0] * 7 + [-20.0])
  predictor = Predictor(model, task, catalog.get(task.data_set))
  for size in ((40, 61), (97, 33), (1, 9)):
    image = np.random.default_rng(0).integers(0, 256, [*size, 3], np.uint8)
    id_map, segments = predictor.predict(image)
    assert id_map.shape == size
    assert set(np.unique(id_map)) - {0} == {s['id'] for s in segments} and segments
