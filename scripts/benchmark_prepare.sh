#!/usr/bin/env bash
# Converts 2000 drawn images with local processes and with Apache Beam's worker processes, compares
# the records and prints the seconds of both. Run it in the environment of the extra beam:
#   bash scripts/setup_env.sh --extras beam
#   PYTHON=.venv-beam/bin/python bash scripts/benchmark_prepare.sh FOLDER [IMAGES] [PROCESSES]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ "$#" -ge 1 ] || fail 2 "name a new folder: bash scripts/benchmark_prepare.sh FOLDER"
[ ! -e "$1" ] || fail 2 "$1 exists already; name a new folder"
folder="$1" images="${2:-2000}" processes="${3:-2}"
[[ "$images" =~ ^[1-9][0-9]*$ && "$processes" =~ ^[1-9][0-9]*$ ]] ||
  fail 2 "IMAGES and PROCESSES are whole numbers above 0, not '$images' and '$processes'"
PYTHON="${PYTHON:-$ROOT/.venv-$REPLACING/bin/python}"
setup_python

# convert NAME FLAG...: prints the seconds that a conversion to FOLDER/NAME takes.
convert() {
  local start end
  start="$(date +%s%N)"
  "$PYTHON" -m tf_maskformer prepare coco_panoptic --coco_root "$folder/shapes" \
    --data_set shapes_panoptic --output "$folder/$1" "${@:2}" > "$folder/$1.log" 2>&1 ||
    fail 1 "the conversion failed; see $folder/$1.log"
  end="$(date +%s%N)"
  say "$1: $(((end - start) / 1000000000)).$(((end - start) / 100000000 % 10)) s"
}

mkdir -p "$folder"
"$PYTHON" -m tf_maskformer shapes --output "$folder/shapes" --train "$images" --validation 1
convert processes --workers "$processes"
convert beam --runner DirectRunner \
  --runner_options "direct_num_workers=$processes" direct_running_mode=multi_processing
for record in "$folder"/processes/*.tfrecord; do
  cmp "$record" "$folder/beam/$(basename "$record")" || fail 1 "the records differ"
done
say "equal records: $(ls "$folder"/processes/*.tfrecord | wc -l) files"
