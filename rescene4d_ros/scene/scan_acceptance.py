"""The check of a scan against the memory that it would become a visit of."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.plausibility.check import check_scan, checked_scan, in_memory_frame
from rescene4d_ros.plausibility.config import PlausibilityConfig
from rescene4d_ros.scene.visit_window import RememberedSurface
from rescene4d_ros.structures import Scan

CODE = 'registration'


class ScanAcceptance:
    """
    Check scans, and make them what should be stored.

    Parameters
    ----------
    memory : SceneMemory
        Open for writing.
    config : PlausibilityConfig, optional
    accepted : collection of str
        Codes of findings that refuse a scan, which are accepted.
    register : bool
        Whether a scan that does not lie on the memory, or not exactly, is moved onto it.

    """

    def __init__(
        self,
        memory: SceneMemory,
        config: PlausibilityConfig | None = None,
        accepted: tuple[str, ...] = (),
        register: bool = False,
    ):
        self._surface = RememberedSurface(memory)
        self._map_T_memory = memory.map_T_memory()
        self._config = config
        self._accepted = frozenset(accepted)
        self._register = register

    def checked(self, scan: Scan) -> tuple[Scan, np.ndarray]:
        """
        Return a scan as it should be stored, with the findings.

        Returns
        -------
        scan : Scan
            Without stray points and people, in the frame of the memory; moved where `register`
        says so.
        kept : ndarray (N,), bool
            Which points of the given scan are in it.

        Raises
        ------
        ScanError
            A finding refuses the scan.

        """
        scan = in_memory_frame(scan, self._map_T_memory)
        found = check_scan(scan, self._surface.reference(scan), self._config, self._register)
        accepted = self._accepted
        if self._register and found.reference_T_scan is not None:
            accepted |= {CODE}
        found.require(scan.name, accepted)
        return checked_scan(scan, found, self._register), found.kept
