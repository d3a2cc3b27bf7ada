#!/usr/bin/env bash
# Creates .venv in the project and installs the pinned requirements; does nothing if that is done.
# PYTHON=/path/to/python uses that environment unchanged; VENV_DIR is another place for .venv.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
setup_python
say "python: $PYTHON"
