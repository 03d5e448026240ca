# Sourced by make and by setup.sh: says which ROS is used, and lets programs find our messages.
#
# RESCENE4D_ROS=sourced  a sourced ROS installation whose rclpy python3 can import
# RESCENE4D_ROS=wheels   the ROS 2 wheels from PyPI, in .venv
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
PYTHON=${PYTHON:-python3}

if [ -n "${ROS_DISTRO:-}" ] && [ -n "${AMENT_PREFIX_PATH:-}" ] \
    && "$PYTHON" -c 'import rclpy' 2>/dev/null; then
  RESCENE4D_ROS=sourced
  case ":$AMENT_PREFIX_PATH:" in
    *":$venv:"*) ;;
    *)
      export AMENT_PREFIX_PATH=$venv:$AMENT_PREFIX_PATH
      export LD_LIBRARY_PATH=$venv/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} ;;
  esac
else
  RESCENE4D_ROS=wheels
  # Half a ROS environment (another Python's) would be found before the wheels.
  unset ROS_DISTRO AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONPATH
fi
