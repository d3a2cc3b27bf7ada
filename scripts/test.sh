#!/usr/bin/env bash
# The same set-up as in the other scripts with the extras that go together, then the tests; arguments
# go to pytest. Tests of Apache Beam are skipped there; the last two lines run them.
#   bash scripts/test.sh                     all but the slow ones
#   bash scripts/test.sh -m slow             the slow ones
#   bash scripts/test.sh tests/losses -x     some of them
#   bash scripts/test.sh -n 0 tests/losses   in one process instead of two, for a debugger
#   bash scripts/setup_env.sh --extras beam
#   PYTHON=.venv-beam/bin/python bash scripts/test.sh tests/dataloaders/preparation/beam_test.py
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
setup_python
read -r -a extras <<< "$(shared_extras)"
setup_extras "${extras[@]}"
cd "$ROOT"
exec "$PYTHON" -m pytest "$@"
