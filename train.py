"""Trains and evaluates a registered experiment; see scripts/train.py, or --help."""

from tf_maskformer import cli
from tf_maskformer.scripts import train

if __name__ == '__main__':
  cli.run(train.main)
