"""The map frame moved: `~/move_map`."""

from __future__ import annotations

from rescene4d_ros.errors import ConfigError
from rescene4d_ros.memory.editing.corrections import move_map
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.tf import matrix_of, motion_to_msg
from rescene4d_ros.srv import MoveMap


def answer(memory: SceneMemory, request: MoveMap.Request, response: MoveMap.Response) -> None:
    """Let the memory follow; raises RescenError."""
    turn = request.new_from_old.rotation
    norm = (turn.x**2 + turn.y**2 + turn.z**2 + turn.w**2) ** 0.5
    if not abs(norm - 1.0) < 1e-3:
        raise ConfigError(
            f'expected a unit quaternion, got one of length {norm:g}; normalize the rotation'
        )
    motion = move_map(memory, matrix_of(request.new_from_old), request.reason)
    response.map_from_memory = motion_to_msg(motion)
    response.message = 'the memory follows the map'
