"""Draws predictions beside the truth and writes a results table, from a run's folder.

    python scripts/show_results.py --experiment maskformer_shapes_panoptic --model_dir runs/maskformer_shapes_panoptic
"""

import json
import os
import pathlib
from collections.abc import Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer.errors import UserError

# Metrics of the results table, those that an evaluation has.
COLUMNS = {'pq_all': 'PQ', 'sq_all': 'SQ', 'rq_all': 'RQ', 'pq_things': 'PQ things', 'pq_stuff': 'PQ stuff',
           'miou': 'mIoU', 'iiou': 'iIoU', 'category_iou': 'IoU categories',
           'category_iiou': 'iIoU categories', 'fwiou': 'fwIoU', 'macc': 'mACC', 'pacc': 'pACC',
           'ap': 'AP', 'ap50': 'AP50'}


def write_table(folder: pathlib.Path) -> None:
  """Writes results.md: the last evaluation's groups, and the history."""
  rows = [json.loads(p.read_text()) for p in sorted((folder / 'evaluations').glob('step_*.json'))]
  if not rows:
    raise UserError(f'{folder}/evaluations is empty; evaluate first (train.py --mode eval)')
  known = {key: title for key, title in COLUMNS.items() if key in rows[-1]['metrics']}
  lines = [f'| step | {" | ".join(known.values())} | images |', '|---|' + '---|' * len(known) + '---|']
  for row in rows:
    numbers = [row['metrics'].get(key, float('nan')) for key in known]
    count = row['images'] if 'images' in row else row['pictures']  # as earlier versions wrote it
    lines.append(f'| {row["step"]} | ' + ' | '.join(f'{n:.1f}' for n in numbers) + f' | {count} |')
  temporary = folder / 'results.md.part'
  temporary.write_text('\n'.join(lines) + '\n')
  temporary.replace(folder / 'results.md')
  print('\n'.join(lines))


def main(argv: Sequence[str]) -> None:
  parser = cli.Parser(__doc__)
  parser.add_argument('--experiment', required=True)
  parser.add_argument('--model_dir', required=True)
  parser.add_argument('--params_override', action='append', default=[])
  parser.add_argument('--images', '--pictures', type=int, default=12, help='how many to draw')
  args = parser.parse(argv)
  folder = pathlib.Path(args.model_dir)
  write_table(folder)

  import numpy as np
  import tensorflow as tf
  from PIL import Image

  from tf_maskformer.configs import overrides
  from tf_maskformer.configs.datasets import catalog
  from tf_maskformer.configs.experiments import registry
  from tf_maskformer.dataloaders import ground_truth
  from tf_maskformer.dataloaders import reader
  from tf_maskformer.evaluation import drawing
  from tf_maskformer.modeling.conversion import restore
  from tf_maskformer.modeling.factory import build_model
  from tf_maskformer.modeling.postprocessing import predictions
  from tf_maskformer.modeling.postprocessing.sizes import Sizes
  from tf_maskformer.ops import image as image_ops

  experiment = registry.get(args.experiment)
  for text in args.params_override:
    overrides.apply(experiment, text)
  task = experiment.task
  model = build_model(task.model)
  restore.restore(model, str(folder))


  @tf.function(autograph=False)
  def predict(image, size):
    images = image_ops.pad_to_multiple(image_ops.normalize(image, size), task.model.size_divisibility)
    outputs = model(images, last_layer_only=True)
    return {name: logits[-1, 0] for name, logits in outputs.items()}, tf.shape(images)[1:3]

  data_set = catalog.get(task.data_set)
  truth = ground_truth.GroundTruth(task.validation_data.input_path, task.data_set)
  task.validation_data.global_batch_size = 1
  target = folder / 'images'
  target.mkdir(exist_ok=True)
  batches = reader.build(task.validation_data, task.data_set, seed=0).take(args.images)
  for features, targets in batches.as_numpy_iterator():
    outputs, padded_size = predict(features['image'], features['image_size'])
    example_id = int(targets['example_id'][0])
    sizes = Sizes.of(padded_size.numpy(), features['image_size'][0], targets['original_size'][0])
    outputs = {name: logits.numpy() for name, logits in outputs.items()}
    id_map, segments = predictions.answer(
        outputs, sizes, data_set.thing_classes, task.evaluation)
    true_map, true_segments = truth[example_id]
    image = truth.image(example_id)
    drawn = drawing.side_by_side(
        [image, drawing.draw_panoptic(image, true_map, true_segments, data_set.classes),
         drawing.draw_panoptic(image, id_map, segments, data_set.classes)], ['image', 'truth', 'prediction'])
    name = ''.join(c if c.isalnum() else '_' for c in truth.source_id(example_id))
    temporary = target / f'.part-{name}.png'
    Image.fromarray(np.asarray(drawn)).save(temporary)
    temporary.replace(target / f'{name}.png')
  print(f'images of truth and prediction: {target}')
  print(f'results table: {folder / "results.md"}')


if __name__ == '__main__':
  cli.run(main)
