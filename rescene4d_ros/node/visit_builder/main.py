"""Executable `visit_builder`."""

from __future__ import annotations

import signal
import sys

if __name__ == '__main__':  # what follows takes seconds; ^C ends it without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from rescene4d_ros.node.managed_node import run
from rescene4d_ros.node.visit_builder.lifecycle_node import VisitBuilderNode


def main(args: list[str] | None = None) -> int:
    """Run the node until ^C or shutdown."""
    return run(VisitBuilderNode, args)


if __name__ == '__main__':
    sys.exit(main())
