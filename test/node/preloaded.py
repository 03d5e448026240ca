"""
Fork processes off one that has imported what the node needs but ROS: each starts sooner.

Importing rclpy starts threads, which a child of a fork would not have. Reads a request per line
of its standard input and answers each with a line of JSON. A child runs the `main` of a module as
`python -m` would, up to the end of its interpreter.
"""

from importlib import import_module
import json
import os
import sys

import open3d  # noqa: F401
from rescene4d_ros.data.readers import bags, point_cloud2  # noqa: F401
from rescene4d_ros.inference import segmenter  # noqa: F401
from rescene4d_ros.memory import store  # noqa: F401
from rescene4d_ros.scene import (
    mask_source,  # noqa: F401
    tracker,  # noqa: F401
)


def become(module, arguments, log):
    """Return the `main` of a module, with its command line and its output set."""
    for path, flags, number in (
        (os.devnull, os.O_RDONLY, 0),
        (log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 1),
    ):
        file = os.open(path, flags, 0o644)
        os.dup2(file, number)
        os.close(file)
    os.dup2(1, 2)
    sys.argv = [module, *arguments]
    return import_module(module).main


def serve():
    """Answer until asked to end; a child returns the function that it is to run."""
    for line in sys.stdin:
        request = json.loads(line)
        if 'end' in request:
            break
        if 'wait' in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request['wait'], 0)[1])
        elif not (answer := os.fork()):
            os.environ.update(request['env'])
            return become(request['module'], request['arguments'], request['log'])
        print(json.dumps(answer), flush=True)
    return None


assert len(os.listdir('/proc/self/task')) == 1, 'a child would lack the other threads'
if __name__ == '__main__':
    run = serve()
    sys.exit(run() if run else 0)
