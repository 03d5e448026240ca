"""
Ask a memory what is where, and what happened to an object.

    python examples/ask_a_memory.py out/home --class-name chair

Reading needs neither torch nor ROS, and may happen while a node writes.
"""

import argparse
from pathlib import Path

from rescene4d_ros import SceneMemory
from rescene4d_ros.memory.queries import history_of, of_class


def main() -> None:
    """Print the objects of a class, and the history of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('memory', type=Path, help='folder of the memory')
    parser.add_argument('--class-name', help='such as chair; default: every class')
    options = parser.parse_args()

    with SceneMemory.inspect(options.memory) as memory:
        for found in of_class(memory, options.class_name):
            x, y, z = found.box.center
            print(
                f'object {found.object_id}: {found.class_name} at {x:.2f} {y:.2f} {z:.2f} m, '
                f'{found.state.name}'
            )
            for event in history_of(memory, found.object_id):
                print(f'  {event}')


if __name__ == '__main__':
    main()
