#!/usr/bin/env bash
# Makes .venv in the project and installs the pinned requirements; does nothing where that is done.
# PYTHON=/path/to/python uses that environment as it is; VENV_DIR puts .venv elsewhere.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
setup_python
say "python: $PYTHON"
