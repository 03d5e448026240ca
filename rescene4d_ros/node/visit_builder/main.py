"""Executable `visit_builder`."""

from __future__ import annotations

import sys

from rescene4d_ros.node.process import spin
from rescene4d_ros.node.visit_builder.lifecycle_node import VisitBuilderNode


def make() -> VisitBuilderNode:
    """Return the node; with `autostart`, configured and active as far as that succeeds."""
    node = VisitBuilderNode()
    if node.get_parameter('autostart').value:
        node.autostart()
    return node


def main(args: list[str] | None = None) -> int:
    """Run the node until ^C or shutdown; what a callback raises is reported, and it goes on."""
    return spin(make, args, on_error=VisitBuilderNode.report)


if __name__ == '__main__':
    sys.exit(main())
