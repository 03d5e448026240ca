#!/usr/bin/env bash
# Check and measure the network on a machine with a GPU, without a network and with few packages.
#
#   scripts/check_on_gpu_machine.sh OUT [--device cuda|cpu] [--small]
#
# Results against the CPU, the GPU tests where pytest is there, both backends of sparse convolution,
# seconds per stage, peak memory and the share of the roofline; OUT gets checks.json and log.txt.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
[ $# -ge 1 ] && [ "${1#-}" = "$1" ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
cd "$root"
export PYTHONPATH=$root PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=${NUMBA_CACHE_DIR:-$out/numba}
trap 'rm -rf "$out/numba"' EXIT
code=0
"$python" scripts/gpu_checks.py --json "$out/checks.json" "$@" 2>&1 | tee "$out/log.txt" || code=$?
if "$python" -c 'import pytest' 2>/dev/null; then
  "$python" -m pytest -q -m gpu test 2>&1 | tee -a "$out/log.txt" || [ $? -eq 5 ] || code=1
else
  echo 'GPU tests: skipped, pytest is not installed' | tee -a "$out/log.txt"
fi
exit "$code"
