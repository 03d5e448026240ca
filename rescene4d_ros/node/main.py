"""Executable `rescene4d_node`."""

from __future__ import annotations

import signal
import sys

if __name__ == '__main__':  # what follows takes seconds; ^C ends it without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from rescene4d_ros.node.lifecycle_node import Rescene4DNode
from rescene4d_ros.node.managed_node import run


def main(args: list[str] | None = None) -> int:
    """Run the node until ^C or shutdown."""
    return run(Rescene4DNode, args)


if __name__ == '__main__':
    sys.exit(main())
