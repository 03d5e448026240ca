"""What the memory holds of the place that a scan shows, to check the scan against."""

from __future__ import annotations

from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.plausibility.reference import Reference
from rescene4d_ros.scene.visit_window import VisitSelector
from rescene4d_ros.structures import Scan, VisitStatus

VISITS = 2  # that a scan is laid on; more say little more


class RememberedSurface:
    """
    Give the points of earlier visits to check scans against.

    Parameters
    ----------
    memory : SceneMemory
    write : bool
        Whether the memory is open for writing.

    """

    def __init__(self, memory: SceneMemory, write: bool = True):
        self._memory = memory
        self._selector = VisitSelector(memory, VISITS, write)
        self._kept: tuple[tuple[str, ...], Reference] | None = None

    def reference(self, scan: Scan) -> Reference | None:
        """
        Return the points of the visits that saw what a scan shows, or of the newest ones.

        None where no visit is processed yet, or none can be read.
        """
        done = self._memory.visits(VisitStatus.DONE)
        keys = self._memory.keys()
        chosen = self._selector.select_for(scan, done) or done[-VISITS:]
        names = tuple(keys[visit.visit_id] for visit in chosen)
        if self._kept is not None and self._kept[0] == names:
            return self._kept[1]
        clouds = []
        for name in names:
            try:
                clouds.append(self._memory.files.read(name).xyz)
            except FileFormatError:
                continue  # `memory check` tells of it
        if not clouds:
            return None
        self._kept = names, Reference.of_points(*clouds)
        return self._kept[1]
