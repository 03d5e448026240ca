#!/usr/bin/env bash
# Run the default tests once for each Python and each set of ROS 2 wheels, and say how each went.
# A combination whose interpreter or wheels are not to be had is skipped, and the reason said.
#
#   PYTHONS='3.12 3.13'    which versions of Python; all supported ones without it
#   WHEELS='jazzy'         which ROS 2 wheels: kilted (pyproject.toml), jazzy
#   arguments              go to pytest, such as test/node
#
# Each combination keeps an environment of its own in .matrix/.
set -uo pipefail
unset ROS_DISTRO AMENT_PREFIX_PATH     # of a sourced ROS, whose packages are not the wheels
cd "$(dirname "$0")/.."
results=()
failed=0

interpreter_of() {     # the path of a Python version that can make environments, or nothing
  local candidate
  for candidate in "$(command -v "python$1")" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
    if [ -x "$candidate" ] \
        && [ "$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$1" ]; then
      echo "$candidate"
      return
    fi
  done
}

run_one() {            # Python version, wheels, pytest's arguments
  local version=$1 wheels=$2 python
  shift 2
  python=$(interpreter_of "$version")
  if [ -z "$python" ]; then
    results+=("SKIP  Python $version, $wheels: no python$version on PATH or in pyenv")
    return
  fi
  export PYTHON=$python RESCENE4D_VENV=$PWD/.matrix/py$version-$wheels
  if [ "$wheels" = kilted ]; then unset ROS_WHEELS; else export ROS_WHEELS=$wheels; fi
  printf '\n===== Python %s, %s\n' "$version" "$wheels"
  if ! bash scripts/setup.sh; then
    results+=("SKIP  Python $version, $wheels: its packages cannot be installed; see above")
    return
  fi
  if (. scripts/environment.sh && exec "$venv/bin/python" -m pytest -n 3 --dist loadfile "$@"); then
    results+=("PASS  Python $version, $wheels")
  else
    results+=("FAIL  Python $version, $wheels")
    failed=1
  fi
}

for version in ${PYTHONS:-3.11 3.12 3.13}; do
  for wheels in ${WHEELS:-kilted jazzy}; do
    run_one "$version" "$wheels" "$@"
  done
done
printf '\n'
printf '%s\n' "${results[@]}"
exit $failed
