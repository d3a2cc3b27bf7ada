"""Predicts images: a PNG and an overlay for each, one predictions.json.

The PNG of a panoptic or instance experiment holds segment ids (id = R + 256 G + 65536 B), that of a semantic one the
class of every pixel, counted from 0 (8 bits, 16 with more than 256 classes). Instances are those of a score above 0.5,
the surest on top; predictions.json holds the whole mask of each, as COCO's compressed run lengths, and its area.

    python scripts/predict.py --experiment maskformer_coco_panoptic --checkpoint runs/coco \\
        --input images/ --output out/
"""

import collections
import json
import os
import pathlib
from collections.abc import Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer.errors import UserError

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')


def find(path: str) -> list[pathlib.Path]:
  """Returns the images that a file or folder means.

  Raises:
    UserError: there is none.
  """
  given = pathlib.Path(path)
  found = [given] if given.is_file() else sorted(p for p in given.glob('*') if p.suffix.lower() in SUFFIXES)
  if not found:
    raise UserError(f'--input {path} is no image and no folder with images ({", ".join(SUFFIXES)})')
  return found


def check_output(paths: list[pathlib.Path], output: pathlib.Path) -> None:
  """Checks that no prediction takes the place of an image or of another prediction.

  Raises:
    UserError: one would.
  """
  if output.resolve() in {p.resolve().parent for p in paths}:
    raise UserError(f'--output {output} is the folder of the images, which predictions would replace; choose another')
  stems = collections.Counter(p.stem for p in paths)
  twice = [stem for stem, count in stems.items() if count > 1]
  if twice:
    raise UserError(f'--input holds {len(twice)} names with several suffixes, {twice[0]} for one, whose predictions '
                    'would replace each other; rename them')


def main(argv: Sequence[str]) -> int:
  parser = cli.Parser(__doc__)
  for name, text in (('experiment', 'registered name'), ('checkpoint', 'checkpoint or folder with checkpoints'),
                     ('input', 'image or folder'), ('output', 'folder, made if needed')):
    parser.add_argument(f'--{name}', required=True, help=text)
  parser.add_argument('--params_override', action='append', default=[], help='as for train.py')
  args = parser.parse(argv)
  paths, output = find(args.input), pathlib.Path(args.output)
  check_output(paths, output)

  import numpy as np
  from PIL import Image
  from PIL import ImageOps
  from tqdm import tqdm

  from tf_maskformer.configs import overrides
  from tf_maskformer.configs.datasets import catalog
  from tf_maskformer.configs.experiments import registry
  from tf_maskformer.dataloaders import images
  from tf_maskformer.evaluation import drawing
  from tf_maskformer.evaluation import instance_ap
  from tf_maskformer.modeling.conversion import restore
  from tf_maskformer.modeling.factory import build_model
  from tf_maskformer.serving.predictor import Predictor

  experiment = registry.get(args.experiment)
  for text in args.params_override:
    overrides.apply(experiment, text)
  model = build_model(experiment.task.model)
  print(restore.restore(model, args.checkpoint))
  data_set = catalog.get(experiment.task.data_set)
  predictor, classes = Predictor(model, experiment.task, data_set), data_set.classes
  output.mkdir(parents=True, exist_ok=True)

  def save(array, name):
    Image.fromarray(array).save(output / f'.part-{name}')
    (output / f'.part-{name}').replace(output / name)

  evaluation = experiment.task.evaluation
  semantic_only = not (evaluation.panoptic or evaluation.instance)

  def encoded(id_map):
    if semantic_only:
      return (id_map - 1).astype(np.uint8 if len(classes) <= 256 else np.uint16)
    return np.stack([id_map % 256, id_map // 256 % 256, id_map // 65536], -1).astype(np.uint8)

  def described(segment, id_map):
    value = segment['category_id'] if semantic_only else segment['id']  # of its pixels in the PNG
    row = {'id': value, 'category_id': classes[segment['category_id']].id}
    mask = segment.get('mask', id_map == segment['id'])
    row['area'] = int(mask.sum())
    if 'score' in segment:
      row['score'] = round(segment['score'], 4)
    if 'mask' in segment:
      runs = instance_ap.encode(mask)
      row['segmentation'] = {**runs, 'counts': runs['counts'].decode()}
    return row

  rows, refused = [], []
  for path in tqdm(paths, unit='images'):
    try:
      opened = Image.open(path)
      image = np.asarray(ImageOps.exif_transpose(opened).convert('RGB'))
    except OSError as e:  # Pillow's error for what it cannot decode
      refused.append(f'{path}: {e}')
      continue
    if images.is_deep(opened):
      refused.append(f'{path} {images.TOO_DEEP}')
      continue
    id_map, segments = predictor.predict(image)
    save(encoded(id_map), f'{path.stem}.png')
    save(drawing.draw_panoptic(image, id_map, segments, classes), f'{path.stem}_overlay.png')
    rows.append({'image_id': path.stem, 'file_name': f'{path.stem}.png',
                 'segments_info': [described(s, id_map) for s in segments]})
  temporary = output / 'predictions.json.part'
  temporary.write_text(json.dumps({'annotations': rows}))
  temporary.replace(output / 'predictions.json')
  print(f'{len(rows)} images in {output}')
  if refused:
    raise UserError(f'{len(refused)} images could not be decoded, the others are done; {"; ".join(refused[:5])}')
  return 0


if __name__ == '__main__':
  cli.run(main)
