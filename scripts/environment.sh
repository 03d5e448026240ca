# Sourced by make and by setup.sh: says which ROS is used, and lets programs find our messages.
#
# RESCENE4D_ROS=sourced  a sourced ROS installation whose rclpy python3 can import
# RESCENE4D_ROS=wheels   the ROS 2 wheels from PyPI, in .venv
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${RESCENE4D_VENV:-$root/.venv}
PYTHON=$(command -v "${PYTHON:-python3}" || echo "${PYTHON:-python3}")
case $PYTHON in      # an active .venv must not be what .venv is made with
  "$venv"/*) PYTHON=$("$PYTHON" -c 'import sys; print(sys.base_prefix + "/bin/python3")') ;;
esac

if [ -n "${ROS_DISTRO:-}" ] && [ -n "${AMENT_PREFIX_PATH:-}" ] \
    && "$PYTHON" -c 'import rclpy' 2>/dev/null; then
  RESCENE4D_ROS=sourced
  case ":$AMENT_PREFIX_PATH:" in
    *":$venv:"*) ;;
    *)
      export AMENT_PREFIX_PATH=$venv:$AMENT_PREFIX_PATH
      # `ros2` runs with the system's interpreter, and our executables with the first python3.
      export PATH=$venv/bin:$PATH
      for packages in "$venv"/lib/python3*/site-packages; do
        export PYTHONPATH=$packages${PYTHONPATH:+:$PYTHONPATH}
      done
      export LD_LIBRARY_PATH=$venv/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} ;;
  esac
else
  RESCENE4D_ROS=wheels
  # Half a ROS environment (another Python's) would be found before the wheels.
  unset ROS_DISTRO AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONPATH
fi
