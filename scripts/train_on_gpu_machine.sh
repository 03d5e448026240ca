#!/usr/bin/env bash
# Train on a machine with a GPU that is had for minutes and has no network.
#
#   scripts/train_on_gpu_machine.sh OUT [--from PIECES] [--minutes 8] [--recipe FILE] [--init FILE]
#       [--device cuda|cpu] [--run FOLDER] [-- more arguments of rescene4d train]
#
# Needs nothing but this checkout, Python 3.12 and torch, numpy, scipy, numba, safetensors and PyYAML.
# Rooms are made by most of the cores while the GPU trains in bf16. OUT then holds the checkpoint in
# pieces of at most 15 MiB, the weights, the curve and the log. --from OUT of an earlier run goes on
# where it ended, with the same result as one long run.
set -euo pipefail
usage() { sed -n '2,11s/^# \{0,1\}//p' "$0"; }
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
[ $# -ge 1 ] && [ "${1#-}" = "$1" ] || { usage >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
from='' minutes=8 recipe=config/training/rooms-s-gpu.yaml init='' device=cuda run=''
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  [ $# -ge 2 ] || { usage >&2; exit 2; }
  case $1 in
    --from) from=$(cd "$2" && pwd) ;;
    --minutes) minutes=$2 ;;
    --recipe) recipe=$(realpath "$2") ;;
    --init) init=$(realpath "$2") ;;
    --device) device=$2 ;;
    --run) run=$2 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift 2
done
[ $# -eq 0 ] || shift
[ -n "$run" ] || run=$(mktemp -d)
mkdir -p "$run"
run=$(cd "$run" && pwd)
cd "$root"
export PYTHONPATH=$root PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=${NUMBA_CACHE_DIR:-$run/numba} OMP_NUM_THREADS=1
[ "$device" = cuda ] || export CUDA_VISIBLE_DEVICES=
"$python" - "$device" <<'CHECK'
import sys

missing = []
for name in ('numba', 'numpy', 'safetensors', 'scipy', 'torch', 'yaml'):
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
if missing:
    sys.exit(f'expected the packages numba, numpy, safetensors, scipy, torch and PyYAML, '
             f'{", ".join(missing)} missing; give the python that has them as PYTHON=...')
import torch
if sys.argv[1] == 'cuda' and not torch.cuda.is_available():
    sys.exit('expected a GPU that torch can use, found none; --device cpu tries the script without')
print('Python', sys.version.split()[0], 'torch', torch.__version__,
      torch.cuda.get_device_name() if sys.argv[1] == 'cuda' else 'on the CPU')
CHECK
cores=$(nproc)
loaders=$(( cores / 4 > 0 ? cores / 4 : 1 ))              # cut voxels and vary rooms
makers=$(( cores - loaders - 1 > 0 ? cores - loaders - 1 : 1 ))
if [ -n "$from" ]; then
  "$python" scripts/checkpoint_pieces.py join "$from" "$run"
  [ ! -f "$from/metrics.jsonl" ] || cp "$from/metrics.jsonl" "$run/"
  start=(--resume)
else
  [ -n "$init" ] || init=$("$python" -c \
    'from rescene4d_ros.inference.weights_file import default_weights; print(default_weights())')
  start=(--init "$init" --init-allow 'decoder.structure.*')
fi
code=0
"$python" -m rescene4d_ros.cli.main train "$recipe" --out "$run" "${start[@]}" \
  --data synthetic:lifelike:2 --data synthetic:default:1 --max-minutes "$minutes" --threads 1 \
  --workers "$loaders" --room-workers "$makers" --set train.precision=bf16 "$@" 2>&1 \
  | tee "$out/log.txt" || code=$?
if [ -f "$run/checkpoint.pt" ]; then      # also after an error: what was learned before is kept
  "$python" scripts/checkpoint_pieces.py split "$run" "$out"
  cp "$run/weights.safetensors" "$run/config.yaml" "$out/"
  [ ! -f "$run/metrics.jsonl" ] || cp "$run/metrics.jsonl" "$out/"
  du -cb "$out"/* | awk 'END { printf "%.1f MiB in %d files\n", $1 / 1048576, NR - 1 }'
fi
exit "$code"
