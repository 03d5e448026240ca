#!/usr/bin/env bash
# Make .venv: system libraries, pinned Python packages, compiled messages.
# Nothing is done again unless what it depends on has changed.
#
#   PYTHON=python3.12            which interpreter (3.11 to 3.13)
#   RESCENE4D_VENV=DIR           another place than .venv
#   ROS_WHEELS=jazzy             the ROS 2 wheels of requirements-ros-jazzy.txt; without it those
#                                of pyproject.toml (Kilted)
#   TORCH_INDEX=URL              where torch comes from; without it: the CPU index on a machine
#                                without an NVIDIA GPU if it can be reached, else PyPI
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh
stamps=$venv/stamps

say() { printf '\n== %s\n' "$*"; }
fail() { printf '\nmake setup: %s\n' "$*" >&2; exit 1; }
done_with() { [ "$(cat "$stamps/$1" 2>/dev/null)" = "$2" ]; }
digest() { sha256sum | cut -d' ' -f1; }

# --- the interpreter ------------------------------------------------------------------------
command -v "$PYTHON" >/dev/null || fail "expected $PYTHON (3.11 to 3.13), found none; sudo apt install python3 python3-venv"
interpreter=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case $interpreter in
  3.11 | 3.12 | 3.13) ;;
  *) fail "expected Python 3.11 to 3.13, $PYTHON is $interpreter; name another: make setup PYTHON=python3.12" ;;
esac

# --- what pip cannot bring ------------------------------------------------------------------
missing_packages() {
  command -v g++ >/dev/null || echo g++
  "$PYTHON" - <<'PY'
import ctypes
from importlib.util import find_spec
import os
import sysconfig

NEEDED_BY_OPEN3D = {
    'libEGL.so.1': 'libegl1', 'libGL.so.1': 'libgl1', 'libgomp.so.1': 'libgomp1',
    'libidn2.so.0': 'libidn2-0', 'libudev.so.1': 'libudev1', 'libusb-1.0.so.0': 'libusb-1.0-0',
    'libX11.so.6': 'libx11-6'}
for library, package in NEEDED_BY_OPEN3D.items():
    try:
        ctypes.CDLL(library)
    except OSError:
        print(package)
if not os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h')):
    print('python3-dev')            # the generated messages are compiled
if find_spec('ensurepip') is None:
    print('python3-venv')
PY
}

if [ ! -e "$stamps/system" ]; then
  packages=$(missing_packages | tr '\n' ' ')
  if [ -n "$packages" ]; then
    admin=
    if [ "$(id -u)" != 0 ]; then admin='sudo -n'; fi
    if command -v apt-get >/dev/null && $admin true 2>/dev/null; then
      say "System packages: $packages"
      $admin apt-get update -q || true
      # shellcheck disable=SC2086  # one word per package
      $admin env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages || true
      packages=$(missing_packages | tr '\n' ' ')
    fi
    [ -z "$packages" ] || fail "these system packages are missing and could not be installed from here; run

    sudo apt install $packages

and then the same make command again"
  fi
fi

# --- the virtual environment ----------------------------------------------------------------
kind="$RESCENE4D_ROS ${ROS_DISTRO:-} $interpreter $root"
if ! done_with kind "$kind" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  say "Virtual environment .venv (Python $interpreter, ROS: $RESCENE4D_ROS ${ROS_DISTRO:-})"
  site=
  if [ "$RESCENE4D_ROS" = sourced ]; then site=--system-site-packages; fi
  "$PYTHON" -m venv --clear $site "$venv" || fail "python3 -m venv failed; sudo apt install python3-venv"
  mkdir -p "$stamps"
  printf '%s' "$kind" > "$stamps/kind"
fi
touch "$stamps/system"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }
pip_install() { pip install --no-compile "$@"; }       # byte code is made afterwards, by all cores

# --- pinned Python packages -----------------------------------------------------------------
build_requirements() {     # of pyproject.toml; on a ROS machine its ROS packages are there already
  "$venv/bin/python" - "$RESCENE4D_ROS" "${ROS_WHEELS:-}" <<'PY'
import sys
import tomllib

with open('pyproject.toml', 'rb') as file:
    requires = tomllib.load(file)['build-system']['requires']
use_ros = sys.argv[1] == 'wheels' and not sys.argv[2]
print('\n'.join(r for r in requires if use_ros or not r.startswith('ros-')))
PY
  if [ -n "${ROS_WHEELS:-}" ]; then cat "requirements-ros-$ROS_WHEELS.txt"; fi
}
requirements() {
  # Messages of a ROS installation are compiled against its numpy 1; numpy 2 cannot load them.
  system_numpy=
  if [ "$RESCENE4D_ROS" = sourced ]; then
    system_numpy=$("$PYTHON" -c 'import numpy; print(numpy.__version__)')
  fi
  cat requirements.txt requirements-test.txt | sed "/^numpy==/s/==.*/==${system_numpy:-$(sed -n 's/^numpy==//p' requirements.txt)}/"
  build_requirements
}
torch_index() {
  if [ -n "${TORCH_INDEX:-}" ]; then echo "$TORCH_INDEX"; return; fi
  [ ! -e /proc/driver/nvidia/version ] || return 0
  "$venv/bin/python" - https://download.pytorch.org/whl/cpu <<'PY'
import sys
from urllib.request import urlopen

try:
    urlopen(sys.argv[1] + '/torch/', timeout=5).close()
    print(sys.argv[1])
except OSError:
    pass
PY
}
package_state() {
  { find msg srv action -type f | sort | xargs cat; cat CMakeLists.txt setup.py package.xml; build_requirements; } | digest
}
compile_messages() {       # into a wheel; half a minute
  rm -rf "$stamps/wheel"
  pip wheel --no-build-isolation --no-deps --wheel-dir "$stamps/wheel" . > "$stamps/compile.log" 2>&1
}
compiling=
trap '[ -z "$compiling" ] || kill "$compiling" 2>/dev/null || true' EXIT

wanted=$(requirements | digest)
if ! done_with requirements "$wanted"; then
  say 'Python packages (requirements.txt, requirements-test.txt, build requirements)'
  requirements > "$stamps/requirements.txt"
  sed 's/\[[^]]*\]//' "$stamps/requirements.txt" > "$stamps/constraints.txt"    # may not name extras
  build_requirements > "$stamps/build.txt"
  pip_install -c "$stamps/constraints.txt" -r "$stamps/build.txt" numpy \
    || fail 'pip could not install the packages above; check the network and run it again'
  if ! done_with package "$(package_state)"; then      # one core compiles, the other unpacks
    compile_messages &
    compiling=$!
  fi
  index=$(torch_index)
  if [ -n "$index" ]; then
    echo "torch from $index"
    pip_install --index-url "$index" "$(grep '^torch==' requirements.txt)" \
      || echo "torch is not to be had there; trying PyPI"
  fi
  pip_install -r "$stamps/requirements.txt" || fail 'pip could not install the packages above; check the network and run it again'
  # Where PYTHONDONTWRITEBYTECODE is set, as in containers, each process would make it again; a few
  # files of packages are templates, which do not compile.
  "$venv/bin/python" -m compileall -q -j 0 "$venv"/lib/python3*/site-packages > "$stamps/byte_code.log" || true
  printf '%s' "$wanted" > "$stamps/requirements"
fi

# --- messages and the package ---------------------------------------------------------------
wanted=$(package_state)
if ! done_with package "$wanted"; then
  say 'Messages and package'
  if [ -n "$compiling" ]; then wait "$compiling"; else compile_messages; fi \
    || { cat "$stamps/compile.log"; fail 'the messages did not compile; the first error above says why'; }
  compiling=
  pip install --no-deps --force-reinstall "$stamps"/wheel/*.whl || fail 'the package above cannot be installed'
  # Python files are read from this source tree, so editing them needs no installation.
  packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  printf "import sys; sys.path.insert(0, '%s')\n" "$root" > "$packages/rescene4d_ros_source.pth"
  "$venv/bin/python" -c 'import open3d, rclpy, torch, rescene4d_ros.msg' \
    || fail 'the installed packages cannot be imported; the error above names the library'
  printf '%s' "$wanted" > "$stamps/package"
fi
