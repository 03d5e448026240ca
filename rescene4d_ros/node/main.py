"""Executable `rescene4d_node`."""

from __future__ import annotations

import sys

from rescene4d_ros.node.lifecycle_node import Rescene4DNode
from rescene4d_ros.node.process import spin


def make() -> Rescene4DNode:
    """Return the node; with `autostart`, configured and active as far as that succeeds."""
    node = Rescene4DNode()
    if node.get_parameter('autostart').value:
        node.autostart()
    return node


def main(args: list[str] | None = None) -> int:
    """Run the node until ^C or shutdown; what a callback raises is reported, and it goes on."""
    return spin(make, args, on_error=Rescene4DNode.report)


if __name__ == '__main__':
    sys.exit(main())
