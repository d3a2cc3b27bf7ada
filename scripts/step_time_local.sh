#!/usr/bin/env bash
# Measures a training step with 1, 2 and 3 local workers (scripts/train_cluster.sh) and compares
# with what scripts/step_time.py predicts from the first. WORKERS="1 2 3", EXPERIMENT (default
# maskformer_shapes_panoptic), IMG_SIZE (default 128) and STEPS (default 40) change what is run; the
# other variables are those of train_cpu.sh. Nothing else should run meanwhile.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

experiment="${EXPERIMENT:-maskformer_shapes_panoptic}"
steps="${STEPS:-40}"
[[ "$steps" =~ ^[1-9][0-9]{0,5}$ ]] ||
  fail 2 "STEPS=$steps is not a positive whole number; correct or unset it"
batch=2 # images per worker
export IMG_SIZE="${IMG_SIZE:-128}"
setup_python cpu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

measured=
for workers in ${WORKERS:-1 2 3}; do
  say "$workers worker(s): $steps steps"
  # The first half of the steps is not counted.
  MODE=train MODEL_DIR="$folder/$workers" EXPERIMENT="$experiment" WORKERS="$workers" \
    TRAIN_BATCH_SIZE=$((batch * workers)) TRAIN_STEPS="$steps" \
    OVERRIDES="trainer.steps_per_loop=$(((steps + 1) / 2))${OVERRIDES:+,$OVERRIDES}" \
    bash "$ROOT/scripts/train_cluster.sh" > "$folder/log" 2>&1 ||
    fail 1 "$workers worker(s) failed: $(grep -m 1 'error:' "$folder/log" || tail -n 1 "$folder/log")"
  rate="$(grep -o '[0-9.]* steps/s' "$folder/log" | tail -n 1 | cut -d ' ' -f 1)"
  [ -n "$rate" ] || fail 1 "no line of the training has its steps/s; raise STEPS"
  seconds="$("$PYTHON" -c "print(f'{1 / $rate:.4g}')")"
  say "  $seconds s per step"
  measured="${measured:+$measured,}$workers=$seconds"
done

# '... 1298.9 GFLOP per image of 1024 x 1024, 45.01 M parameters'
work="$("$PYTHON" "$ROOT/scripts/step_flops.py" "$experiment")"
flops="$(grep -o '[0-9.]* GFLOP' <<< "$work" | cut -d ' ' -f 1)"
parameters="$(grep -o '[0-9.]* M param' <<< "$work" | cut -d ' ' -f 1)"
"$PYTHON" "$ROOT/scripts/step_time.py" --machine cpu --model maskformer_r50 --batch "$batch" --side "$IMG_SIZE" \
  --measured "$measured" --flops "${flops}e9" --parameters "${parameters}e6"
