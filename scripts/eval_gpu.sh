#!/usr/bin/env bash
# Evaluates on a GPU the checkpoint in MODEL_DIR, or the weights of MASKFORMER_CKPT. README.md lists
# all variables.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/run.sh"
eval_on gpu
