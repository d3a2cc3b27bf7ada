#!/usr/bin/env bash
# Writes requirements.lock.txt from requirements-dev.txt, requirements-gpu.lock.txt (the CUDA
# libraries) and, of each extra in pyproject.toml, requirements-EXTRA.txt with what the lock file has
# not, for Python 3.10 to 3.13 on Linux. The file of the extra beam also has what replaces pins of the
# lock file. Pins that still satisfy the requirements are kept; `bash scripts/lock.sh --upgrade` takes
# the newest. Needs uv, and Python 3.11 or newer.
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

# Prints what pyproject.toml says of an extra.
packages_of() {
  "$(find_python)" -c '
import sys, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print("\n".join(project["optional-dependencies"][sys.argv[1]]))' "$1"
}

# lock_replacing EXTRA UV_FLAG...: the base and the extra at the versions of the lock file where they
# go together; the file gets what differs.
lock_replacing() {
  local file="requirements-$1.txt" compiled
  compiled="$(mktemp)"
  cp "$LOCK" "$compiled"
  { cat requirements-dev.txt; packages_of "$1"; } |
    uv pip compile - --override <(echo "typing; python_version < '3.5'") \
      --output-file "$compiled" \
      --universal --python-version 3.10 --fork-strategy requires-python \
      --no-header --no-annotate --no-emit-index-url --quiet "${@:2}"
  {
    say "# Installed over requirements.lock.txt with --no-deps, in an environment of its own: what"
    say "# Apache Beam brings along, and versions that it needs in place of those of the lock file."
    grep -vxFf "$LOCK" "$compiled"
  } > "$file"
  rm "$compiled"
  say "wrote $file: $(grep -c '==' "$file") pins"
}

for extra in $(shared_extras); do
  file="requirements-$extra.txt"
  packages_of "$extra" |
    uv pip compile - --constraints "$LOCK" --output-file "$file" \
      --universal --python-version 3.10 --fork-strategy requires-python \
      --no-header --no-annotate --no-emit-index-url --quiet "$@"
  awk -F ' ;' 'NR == FNR { locked[$1]; next } !($1 in locked)' "$LOCK" "$file" > "$file.own"
  mv "$file.own" "$file"
  say "wrote $file: $(grep -c '==' "$file") pins"
done
lock_replacing "$REPLACING" "$@"
