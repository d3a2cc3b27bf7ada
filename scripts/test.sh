#!/usr/bin/env bash
# The same set-up as the other scripts, then the tests; arguments go to pytest.
#   bash scripts/test.sh                     all but the slow ones
#   bash scripts/test.sh -m slow             the slow ones
#   bash scripts/test.sh tests/losses -x     some of them
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
setup_python
cd "$ROOT"
exec "$PYTHON" -m pytest "$@"
