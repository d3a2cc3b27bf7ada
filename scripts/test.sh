#!/usr/bin/env bash
# The same set-up as in the other scripts, then the tests; arguments go to pytest.
#   bash scripts/test.sh                     all but the slow ones
#   bash scripts/test.sh -m slow             the slow ones
#   bash scripts/test.sh tests/losses -x     some of them
#   bash scripts/test.sh -n 0 tests/losses   in one process instead of two, for a debugger
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
setup_python
cd "$ROOT"
exec "$PYTHON" -m pytest "$@"
