"""What is counted while a visit is built, and what its findings say."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.structures import Finding, Severity
from rescene4d_ros.visit_building.config import VisitBuildingConfig
from rescene4d_ros.visit_building.volume.voxels import VoxelVolume


@dataclass
class BuildCounts:
    """
    Count what came.

    Attributes
    ----------
    clouds, keyframes, refused : int
        Clouds that came, those fused, and those that cannot be used.
    why : str
        Why the first of these cannot.

    """

    clouds: int = 0
    keyframes: int = 0
    refused: int = 0
    why: str = ''

    def refuse(self, text: str) -> None:
        """Count a cloud that came and cannot be used."""
        self.clouds += 1
        self.refused += 1
        self.why = self.why or text


def findings_of(
    counts: BuildCounts,
    volume: VoxelVolume,
    dropped: tuple[int, int],
    config: VisitBuildingConfig,
    is_partial: bool,
) -> list[Finding]:
    """Say how a visit came about; `dropped` are the voxels seen briefly, and the others."""
    found = [
        Finding(
            'built',
            Severity.INFO,
            f'{counts.keyframes} keyframes of {counts.clouds} clouds; of '
            f'{volume.n_voxels} voxels {dropped[0]} seen briefly and {dropped[1]} looked '
            'through, or amid such, are dropped',
            'surfaces that stay',
        )
    ]
    if counts.refused:
        found.append(
            Finding(
                'refused_clouds',
                Severity.WARNING,
                f'{counts.refused} of {counts.clouds} clouds that cannot be used',
                'clouds with points and steady poses',
                f'the first reason: {counts.why}',
            )
        )
    if volume.n_left_out:
        found.append(told_of_full(volume, config))
    if is_partial:
        found.append(
            Finding(
                'partial',
                Severity.WARNING,
                'a visit whose process was killed',
                'one process from begin to end',
                'what came before the kill, and after a restart, is kept',
            )
        )
    return found


def told_of_full(volume: VoxelVolume, config: VisitBuildingConfig) -> Finding:
    """Say that voxels were left out."""
    return Finding(
        'volume_full',
        Severity.WARNING,
        f'{volume.n_left_out} measurements in further voxels, which are left out',
        f'at most {config.max_voxels} voxels of {config.voxel_size:g} m',
        'raise max_voxels or voxel_size, or make shorter visits',
    )
