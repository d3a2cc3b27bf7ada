#!/usr/bin/env bash
# Writes requirements.lock.txt from requirements-dev.txt, and requirements-gpu.lock.txt (the CUDA
# libraries), for Python 3.10 to 3.13 on Linux. Pins that still satisfy the requirements are kept;
# `bash scripts/lock.sh --upgrade` takes the newest. Needs uv.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
command -v uv >/dev/null || fail 2 "uv is not installed; pip install uv"
cd "$ROOT"
touch "$LOCK"
# cityscapesscripts requires the package `typing`, which has long been part of Python.
uv pip compile requirements-dev.txt --override <(echo "typing; python_version < '3.5'") \
  --output-file "$LOCK" \
  --universal --python-version 3.10 --fork-strategy requires-python \
  --no-header --no-annotate --no-emit-index-url --quiet "$@"
printf 'tensorflow[and-cuda]\n' |
  uv pip compile - --constraints "$LOCK" \
    --universal --python-version 3.10 --fork-strategy requires-python \
    --no-header --no-annotate --no-emit-index-url --quiet | grep '^nvidia-' > "$GPU_LOCK"
say "wrote $LOCK: $(grep -c '==' "$LOCK") pins"
