# Sourced by train_*.sh and eval_*.sh: train_on DEVICE and eval_on DEVICE, DEVICE one of cpu, gpu,
# tpu. README.md lists the variables, all optional; those that are not read here are read by
# configs/environment.py.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Fails with one line, before anything is installed or generated, if the device is clearly missing.
require_device() {
  local device="$1" purpose="$2"
  case "$device" in
    gpu)
      command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU ||
        fail 2 "no NVIDIA GPU is visible (nvidia-smi lists none); install its driver or run" \
          "bash scripts/${purpose}_cpu.sh"
      ;;
    tpu)
      [ -n "${TPU_NAME:-}" ] || ls /dev/accel* /dev/vfio/[0-9]* >/dev/null 2>&1 ||
        fail 2 "no TPU is attached to this machine and TPU_NAME is not set; set TPU_NAME," \
          "TPU_ZONE and TPU_PROJECT or run bash scripts/${purpose}_cpu.sh"
      ;;
  esac
}

# After the set-up: TensorFlow must see the device as well.
require_tensorflow_device() {
  local device="$1" purpose="$2"
  [ "$device" = gpu ] || return 0
  local check='import sys, tensorflow as tf; sys.exit(not tf.config.list_physical_devices("GPU"))'
  "$PYTHON" -c "$check" 2>/dev/null ||
    fail 2 "there is a GPU, but the TensorFlow of $PYTHON cannot use it; install $GPU_LOCK there" \
      "or run bash scripts/${purpose}_cpu.sh"
}

# Without TFRECORDS_DIR: the embedded data set, generated and converted once.
ensure_records() {
  local images="$ROOT/data/shapes" records="$ROOT/data/shapes_records"
  if [ -n "${TFRECORDS_DIR:-}" ]; then
    EXPERIMENT="${EXPERIMENT:-maskformer_coco_panoptic}"
    return
  fi
  EXPERIMENT="${EXPERIMENT:-maskformer_shapes_panoptic}"
  [[ "$EXPERIMENT" = *_shapes_* ]] ||
    fail 2 "TFRECORDS_DIR is not set, and $EXPERIMENT does not use the embedded data set;" \
      "set it to the folder of its records (scripts/prepare_data.py writes them)"
  say "data: TFRECORDS_DIR is not set, using the embedded data set in $images"
  "$PYTHON" "$ROOT/scripts/make_shapes.py" --output "$images"
  "$PYTHON" "$ROOT/scripts/prepare_data.py" coco_panoptic --coco_root "$images" \
    --output "$records" --data_set shapes_panoptic
  export TFRECORDS_DIR="$records"
}

# Prints the overrides for a device and for the scripts' own variables.
overrides_for() {
  local device="$1" gpus strategy=one_device
  local list=()
  case "$device" in
    cpu) list+=(runtime.distribution_strategy=one_device runtime.num_gpus=0) ;;
    gpu)
      gpus="${NUM_GPUS:-1}"
      [[ "$gpus" =~ ^[1-9][0-9]*$ ]] ||
        fail 2 "NUM_GPUS=$gpus is not a positive integer; correct or unset it"
      [ "$gpus" -eq 1 ] || strategy=mirrored
      list+=("runtime.distribution_strategy=$strategy" "runtime.num_gpus=$gpus")
      ;;
  esac
  [ -z "${PRECISION:-}" ] || list+=("runtime.mixed_precision_dtype=$PRECISION")
  [ -z "${TRAIN_STEPS:-}" ] || list+=("trainer.train_steps=$TRAIN_STEPS")
  local IFS=,
  [ "${#list[@]}" -eq 0 ] || printf '%s' "${list[*]}"
}

# line_of DEVICE FILE FLAG...: sets `line`, the command of a program with the experiment, its folder
# and the overrides; OVERRIDES come last, so they take precedence.
line_of() {
  local device="$1" file="$2" own
  shift 2
  own="$(overrides_for "$device")"
  local flags=(--experiment "$EXPERIMENT" "$@" --model_dir "$MODEL_DIR")
  [ -z "$own" ] || flags+=("--params_override=$own")
  [ -z "${OVERRIDES:-}" ] || flags+=("--params_override=$OVERRIDES")
  line=("$PYTHON" "$ROOT/$file" "${flags[@]}")
}

# program DEVICE FILE FLAG...: runs it.
program() {
  local line
  line_of "$@"
  "${line[@]}"
}

prepare() {
  local device="$1" purpose="$2"
  require_device "$device" "$purpose"
  case "$device" in
    cpu) export CUDA_VISIBLE_DEVICES=-1 ;;
    tpu) export ON_TPU=1 ;;
  esac
  setup_python "$device"
  require_tensorflow_device "$device" "$purpose"
  ensure_records
  export MODEL_DIR="${MODEL_DIR:-$ROOT/runs/$EXPERIMENT}"
}

train_on() {
  local device="$1" mode="${MODE:-train_and_eval}"
  prepare "$device" train
  # Both may be exported for a train and an eval script; training starts from the weights of the
  # backbone.
  [ -z "${RESNET_CKPT:-}" ] || unset MASKFORMER_CKPT
  program "$device" train.py --mode "$mode"
  [ "$mode" = train ] || program "$device" scripts/show_results.py
  say "checkpoints, parameters and TensorBoard files: $MODEL_DIR"
}

eval_on() {
  local device="$1"
  prepare "$device" eval
  [ -z "${MASKFORMER_CKPT:-}" ] || unset RESNET_CKPT
  program "$device" train.py --mode "${MODE:-eval}"
  say "results: $MODEL_DIR"
}
