"""Draws the embedded data set in COCO's panoptic layout.

    tf-maskformer shapes --output data/shapes
"""

from collections.abc import Sequence

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer import interrupts
from tf_maskformer import output
from tf_maskformer.dataloaders.preparation import shapes


def flags() -> cli.Parser:
  """Returns the flags of this program."""
  parser = cli.Parser(__doc__)
  parser.add_argument(
      '--output', required=True, help='folder for train2017, val2017 and annotations')
  defaults = shapes.Options()
  parser.add_argument('--train', type=int, default=defaults.train, help='images to train on')
  parser.add_argument(
      '--validation', type=int, default=defaults.validation, help='held-out images')
  parser.add_argument('--size', type=int, default=defaults.size, help='longest side in pixels')
  parser.add_argument('--seed', type=int, default=defaults.seed, help='of everything random')
  return parser


def main(argv: Sequence[str]) -> None:
  args = flags().parse(argv)
  options = shapes.Options(args.train, args.validation, args.size, args.seed)
  shapes.check(options)
  with (
      interrupts.ending_at_sigterm(),
      output.opened(args.output, shapes.ADVICE, shapes.folders())):
    was_drawn = shapes.write(args.output, options)
  errors.say(f'{args.output}: {args.train} training and {args.validation} held-out images '
             f'{"drawn" if was_drawn else "exist already"}')


if __name__ == '__main__':
  cli.run(main)
