#!/usr/bin/env bash
# Creates .venv in the project and installs the pinned requirements; does nothing if that is done.
# PYTHON=/path/to/python uses that environment unchanged; VENV_DIR is another place for .venv.
#   bash scripts/setup_env.sh                          the base
#   bash scripts/setup_env.sh --extras serve           and what tf-maskformer serve and demo need
#   bash scripts/setup_env.sh --extras serve,export    several; each has a requirements-NAME.txt
#   bash scripts/setup_env.sh --extras beam            in .venv-beam: it needs other versions
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
extras=()
case "${1:-}" in
  '') ;;
  --extras)
    IFS=', ' read -r -a extras <<< "${*:2}"
    [ "${#extras[@]}" -gt 0 ] || fail 2 "--extras has no value; known: $(known_extras)"
    ;;
  *) fail 2 "$1 is unknown; the only flag is --extras NAME,…" ;;
esac
check_extras "${extras[@]}"
if [[ " ${extras[*]:-} " = *" $REPLACING "* ]]; then
  [ "${#extras[@]}" -eq 1 ] ||
    fail 2 "the extra $REPLACING needs an environment of its own; run the command with it alone"
  VENV_DIR="${VENV_DIR:-$ROOT/.venv-$REPLACING}"
fi
if [ -n "${PYTHON:-}" ] && [ "${#extras[@]}" -gt 0 ]; then
  files=()
  for extra in "${extras[@]}"; do files+=(-r "requirements-$extra.txt"); done
  [ "${extras[*]}" != "$REPLACING" ] ||
    fail 2 "PYTHON=$PYTHON is used unchanged; unset it, or run in an environment for it alone:" \
      "$PYTHON -m pip install --no-deps -r requirements.lock.txt &&" \
      "$PYTHON -m pip install --no-deps ${files[*]}"
  fail 2 "PYTHON=$PYTHON is used unchanged; unset it, or run: $PYTHON -m pip install" \
    "-c requirements.lock.txt ${files[*]}"
fi
setup_python
setup_extras "${extras[@]}"
say "python: $PYTHON"
