# Sourced by the other scripts: the root of the project, messages, and the Python to use.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-3}"
# TensorFlow enables oneDNN by default on some processors only; its kernels are the faster ones on
# all.
export TF_ENABLE_ONEDNN_OPTS="${TF_ENABLE_ONEDNN_OPTS:-1}"
# Huge pages for large tensors: a training step takes a seventh less time.
export GLIBC_TUNABLES="${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}"
LOCK="$ROOT/requirements.lock.txt"
GPU_LOCK="$ROOT/requirements-gpu.lock.txt"
# The extra whose packages do not go with pins of the lock file: its requirements file replaces
# them, in an environment of its own.
REPLACING=beam

say() { printf '%s\n' "$*"; }

# fail CODE MESSAGE
fail() {
  local code="$1"
  shift
  printf 'error: %s\n' "$*" >&2
  exit "$code"
}

# Prints the version "3.x" of an interpreter that works and that the lock file covers; nothing
# otherwise.
python_version() {
  "$1" -c 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2])' 2>/dev/null |
    grep -E '^3\.(10|11|12|13)$' || true
}

find_python() {
  local candidate
  for candidate in python3.11 python3.12 python3.13 python3.10 python3 python; do
    if command -v "$candidate" >/dev/null && [ -n "$(python_version "$candidate")" ]; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  fail 2 "no Python 3.10 to 3.13 (with venv) was found; install one (on Debian: apt-get install" \
    "python3-venv) or set PYTHON to the Python of an environment with the packages of $LOCK"
}

# install LOCK_FILE VENV WHAT PIP_FLAG...: does nothing if the stamp says that this version of the
# file was installed. The stamp is written last, so an interrupted installation is resumed.
install() {
  local lock="$1" venv="$2" what="$3" stamp sum
  shift 3
  stamp="$venv/$(basename "$lock" .txt).stamp"
  sum="$(cksum < "$lock")"
  [ "$(cat "$stamp" 2>/dev/null)" != "$sum" ] || return 0
  say "set-up: installing $(grep -c '==' "$lock") pinned packages into $venv ($what)"
  # What replaces pins of the lock file is installed again after it.
  [ "$lock" != "$LOCK" ] || rm -f "$venv/requirements-$REPLACING.stamp"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$@" \
    -r "$lock" ||
    fail 1 "installing $lock failed; run the same command again, what was installed is kept"
  printf '%s\n' "$sum" > "$stamp"
  say "set-up: done"
}

# setup_python [gpu]: sets PYTHON, and VENV to the environment that may be changed. If PYTHON is set
# already, that environment is used unchanged, and VENV is empty. Otherwise .venv in the project is
# created if needed, and the packages of the lock files are installed into it.
setup_python() {
  VENV=
  if [ -n "${PYTHON:-}" ]; then
    command -v "$PYTHON" >/dev/null ||
      fail 2 "PYTHON=$PYTHON is not a program; set it to a Python interpreter or unset it"
    "$PYTHON" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("tensorflow") is None)' ||
      fail 2 "PYTHON=$PYTHON has no tensorflow; install $LOCK into it or unset PYTHON"
    return
  fi
  local venv="${VENV_DIR:-$ROOT/.venv}" base
  VENV="$venv"
  PYTHON="$venv/bin/python"
  if [ ! -x "$PYTHON" ] || [ -z "$(python_version "$PYTHON")" ]; then
    base="$(find_python)"
    say "set-up: creating $venv with $base ($(python_version "$base"))"
    "$base" -m venv --clear "$venv" ||
      fail 1 "could not create $venv; check that the directory is writable and the disk has space"
  fi
  install "$LOCK" "$venv" 'about 3 GB, a few minutes' --no-deps
  if [ "${1:-}" = gpu ]; then
    install "$GPU_LOCK" "$venv" 'the CUDA libraries, about 4 GB more' --no-deps
  fi
}

# Prints the names of the extras on one line: of requirements-NAME.txt but those of development.
known_extras() {
  local file name names=()
  for file in "$ROOT"/requirements-*.txt; do
    name="${file##*/requirements-}"
    name="${name%.txt}"
    case "$name" in dev | *.lock) ;; *) names+=("$name") ;; esac
  done
  printf '%s\n' "${names[*]}"
}

# The same without the one that needs an environment of its own.
shared_extras() {
  local extra names=()
  for extra in $(known_extras); do
    [ "$extra" = "$REPLACING" ] || names+=("$extra")
  done
  printf '%s\n' "${names[*]}"
}

# check_extras NAME...: fails with one line where one is unknown.
check_extras() {
  local extra known
  known="$(known_extras)"
  for extra in "$@"; do
    [[ " $known " = *" $extra "* ]] || fail 2 "the extra '$extra' is unknown; known: $known"
  done
}

# setup_extras NAME...: after setup_python; installs extras into .venv, at the versions of the lock
# file where that has the package. An environment that PYTHON named stays unchanged.
setup_extras() {
  local extra
  [ -n "$VENV" ] || return 0
  for extra in "$@"; do
    if [ "$extra" = "$REPLACING" ]; then
      install "$ROOT/requirements-$extra.txt" "$VENV" "the extra $extra" --no-deps
    else
      install "$ROOT/requirements-$extra.txt" "$VENV" "the extra $extra" --constraint "$LOCK"
    fi
  done
}
