#!/usr/bin/env bash
# Evaluates on a GPU what lies in MODEL_DIR, or the weights of MASKFORMER_CKPT. README.md lists what can be set.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/run.sh"
eval_on gpu
