"""Times the road from an image in memory to its panoptic map: exports, checkpoint, Hugging Face.

    python scripts/benchmark_export.py --checkpoint mask2former/ --image street.jpg exported/*/

The checkpoint is a folder saved by Hugging Face if theirs is to be timed, too: model, image
processor and post-processing. Every side runs in its own process; they take turns, and the figures
are the medians. Ratios are theirs / ours, or the checkpoint's where theirs is not installed: above
1, the export is faster.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer import errors

_NOT_INSTALLED = 3  # exit code
_CHECKPOINT = 'checkpoint'
_THEIRS = 'hugging_face'
_THRESHOLD = 0.8


def flags() -> cli.Parser:
  """Returns the flags of this program."""
  parser = cli.Parser(__doc__)
  parser.add_argument('exports', nargs='*', help='folders written by tf-maskformer export')
  parser.add_argument('--checkpoint', required=True, help='what the exports were made from')
  parser.add_argument('--image', required=True, help='an image file')
  parser.add_argument('--short_edge', type=int, default=512, help='that theirs resizes to')
  parser.add_argument('--repeats', type=int, default=5, help='timed images per process')
  parser.add_argument('--rounds', type=int, default=3, help='processes per side')
  parser.add_argument('--side', default='', help=argparse.SUPPRESS)
  return parser


def main(argv: Sequence[str]) -> None:
  """Prints the table, or with --side measures one side.

  Raises:
    UserError: a flag is wrong, or a side fails.
  """
  args = flags().parse(argv)
  for name in ('short_edge', 'repeats', 'rounds'):
    errors.require(getattr(args, name) >= 1, f'--{name} must be 1 or more')
  errors.require(os.path.isfile(args.image), f'--image {args.image} is not a file')
  if args.side:
    print(json.dumps(_measured(args)))
    return
  sides = [_THEIRS, _CHECKPOINT, *args.exports]
  runs: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
  for _ in range(args.rounds):
    for side in sides:
      result = _run(side, argv)
      if result:
        runs[side].append(result)
  base = runs[_THEIRS] or runs[_CHECKPOINT]
  slowest = _median(base, 'seconds')
  print(f'{"":40}  {"s":>7}  {"ratio":>6}  {"peak GB":>7}  {"segments":>8}')
  for side, results in runs.items():
    if results:
      seconds = _median(results, 'seconds')
      print(f'{side:40}  {seconds:7.3f}  {slowest / seconds:6.2f}  '
            f'{_median(results, "peak_gb"):7.2f}  {_median(results, "segments"):8.0f}')


def _median(results: list[dict[str, float]], key: str) -> float:
  return statistics.median(result[key] for result in results)


def _run(side: str, argv: Sequence[str]) -> dict[str, float] | None:
  """Measures a side in a process of its own; None where it is not installed."""
  command = [sys.executable, str(pathlib.Path(__file__).resolve()), *argv, '--side', side]
  done = subprocess.run(command, capture_output=True, text=True, check=False)
  if done.returncode == _NOT_INSTALLED:
    return None
  errors.require(
      not done.returncode, f'{side} failed with {done.returncode}: {done.stderr[-2000:]}')
  return json.loads(done.stdout.strip().splitlines()[-1])


def _measured(args: argparse.Namespace) -> dict[str, Any]:
  """Returns the median seconds of an image, the process's peak memory, and how many segments."""
  import numpy as np
  from PIL import Image
  image = np.asarray(Image.open(args.image).convert('RGB'))
  answer = _theirs(args, image) if args.side == _THEIRS else _ours(args, image)
  answer()
  seconds = []
  for _ in range(args.repeats):
    start = time.perf_counter()
    count = answer()
    seconds.append(time.perf_counter() - start)
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
  return {'seconds': statistics.median(seconds), 'peak_gb': peak, 'segments': count}


def _ours(args: argparse.Namespace, image: Any) -> Callable[[], int]:
  """Returns what answers the image by an export or the checkpoint, and counts segments."""
  import tf_maskformer
  model = tf_maskformer.load(args.checkpoint if args.side == _CHECKPOINT else args.side)
  if args.side == _CHECKPOINT:
    model.short_edge = args.short_edge
    model.long_edge_limit = 0
  return lambda: len(model.predict(image).shown)


def _theirs(args: argparse.Namespace, image: Any) -> Callable[[], int]:
  """Returns the same of Hugging Face's model, processor and post-processing."""
  try:
    import torch
    import transformers
  except ImportError:
    sys.exit(_NOT_INSTALLED)
  config = transformers.AutoConfig.from_pretrained(args.checkpoint)
  is_newer = config.model_type == 'mask2former'
  names = (
      ('Mask2FormerForUniversalSegmentation', 'Mask2FormerImageProcessor') if is_newer else
      ('MaskFormerForInstanceSegmentation', 'MaskFormerImageProcessor'))
  model = getattr(transformers, names[0]).from_pretrained(args.checkpoint).eval()
  processor = getattr(transformers, names[1])(
      size={'shortest_edge': args.short_edge, 'longest_edge': 4 * args.short_edge},
      size_divisor=32, do_reduce_labels=False)
  def answer() -> int:
    with torch.no_grad():
      outputs = model(**processor(images=image, return_tensors='pt'))
    found, = processor.post_process_panoptic_segmentation(
        outputs, threshold=_THRESHOLD, overlap_mask_area_threshold=_THRESHOLD,
        target_sizes=[image.shape[:2]], label_ids_to_fuse=set())
    return len(found['segments_info'])
  return answer


if __name__ == '__main__':
  cli.run(main)
