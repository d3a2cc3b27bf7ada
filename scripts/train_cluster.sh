#!/usr/bin/env bash
# A drill of several machines on one: WORKERS (default 2) processes train together on the CPU, each
# at a port of 127.0.0.1, as the machines of a cluster do. With no variable set: the embedded data
# set, from scratch. The variables are those of train_cpu.sh; TRAIN_BATCH_SIZE and EVAL_BATCH_SIZE
# (16 each) must be multiples of WORKERS. Ctrl-C stops all after the same step; the same command
# resumes.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/run.sh"

workers="${WORKERS:-2}"
[[ "$workers" =~ ^[1-9][0-9]?$ ]] ||
  fail 2 "WORKERS=$workers is not a whole number from 1 to 99; correct or unset it"
prepare cpu train
hosts="$("$PYTHON" "$ROOT/scripts/free_hosts.py" "$workers")"
OVERRIDES="runtime.distribution_strategy=multi_worker_mirrored${OVERRIDES:+,$OVERRIDES}"
# The workers share the cores.
threads=$(($(nproc) / workers))
export TF_NUM_INTRAOP_THREADS="${TF_NUM_INTRAOP_THREADS:-$((threads > 0 ? threads : 1))}"

pids=()
stop() {
  local pid
  for pid in "${pids[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || true; done
}
trap stop INT TERM
set -m # each worker is a process group of its own, which `stop` can reach
for index in $(seq 0 $((workers - 1))); do
  line_of cpu train.py --mode "${MODE:-train_and_eval}" --worker_hosts "$hosts" \
    --task_index "$index"
  "${line[@]}" & # a shell in between would end before its worker
  pids+=("$!")
done
set +m

code=0
for pid in "${pids[@]}"; do
  while true; do
    one=0
    wait "$pid" || one=$?
    kill -0 "$pid" 2>/dev/null || break # else a signal ended the waiting
  done
  [ "$code" -ne 0 ] || code="$one"
done
exit "$code"
