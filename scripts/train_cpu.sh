#!/usr/bin/env bash
# Trains and evaluates on the CPU. With no variable set: the embedded data set, from scratch, in
# minutes. With TFRECORDS_DIR: EXPERIMENT (default maskformer_coco_panoptic). README.md lists all
# variables.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/run.sh"
train_on cpu
