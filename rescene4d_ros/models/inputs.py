"""Network input of one visit: voxels, means of the features of their points, superpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from rescene4d_ros.geometry.floor.structure import coarse_floor_height
from rescene4d_ros.geometry.point_sets import voxelize
from rescene4d_ros.models.config import ModelConfig, POINT_TRANSFORMERS
from rescene4d_ros.structures import Scan
import torch
from torch import Tensor

POINT_CHANNELS = 8  # red, green, blue, has color, |normal| x y z, height above the floor
IN_CHANNELS = POINT_CHANNELS + 3  # and the position of the points in the voxel, x y z
N_CHANNELS = {'local': IN_CHANNELS, 'sonata': 9}  # sonata: x y z, red, green, blue, normal x y z


@dataclass(frozen=True)
class FineVoxels:
    """
    Voxels of half the edge, eight in each voxel of the visit.

    Attributes
    ----------
    coords : Tensor (W, 3), int64
        Unique cells floor(xyz / (voxel_size / 2)), so that coords // 2 are those of the visit.
    feats : Tensor (W, Cin), float32
        As those of the visit, of the points of the smaller cells.
    superpoint : Tensor (W,), int64
        Superpoint of most of the points.

    """

    coords: Tensor
    feats: Tensor
    superpoint: Tensor

    def to(self, device: torch.device | str) -> FineVoxels:
        """Return the same voxels on `device`."""
        return FineVoxels(*(t.to(device) for t in (self.coords, self.feats, self.superpoint)))


@dataclass(frozen=True)
class VisitInput:
    """
    Network input of one visit.

    Attributes
    ----------
    coords : Tensor (V, 3), int64
        Unique cells of the absolute grid floor(xyz / voxel_size), the same for all visits;
        under `compat: official` with PTv3 of a grid that begins with the visit, cut from the
        sequence's origin.
    feats : Tensor (V, Cin), float32
        Mean of the point features in the cell and of the position in it, x y z in [-1, 1]; or, for
        Sonata and Concerto, of `sonata_features`.
    xyz : Tensor (V, 3), float32, m, in map
        Mean of the points in the cell.
    superpoint : Tensor (V,), int64
        Superpoint of the voxel, 0..S - 1; each has at least one voxel.
    n_superpoints : int
        S; 0 for an empty visit.
    point_superpoint : ndarray (N,), int32
        Superpoint of each input point, 0..S - 1.
    fine : FineVoxels, optional
        For a network with a fine level.

    """

    coords: Tensor
    feats: Tensor
    xyz: Tensor
    superpoint: Tensor
    n_superpoints: int
    point_superpoint: np.ndarray
    fine: FineVoxels | None = None

    def to(self, device: torch.device | str) -> VisitInput:
        """Return the same visit with its tensors on `device`."""
        return replace(
            self,
            coords=self.coords.to(device),
            feats=self.feats.to(device),
            xyz=self.xyz.to(device),
            superpoint=self.superpoint.to(device),
            fine=None if self.fine is None else self.fine.to(device),
        )


def sequence_origin(scans: Sequence[Scan], config: ModelConfig) -> np.ndarray | None:
    """
    Return the point from which the published code cuts the voxels of a sequence.

    Parameters
    ----------
    scans : sequence of T Scan
        All visits of the sequence.
    config : ModelConfig

    Returns
    -------
    ndarray (3,), float64, m, in map, or None
        Center of all points in x and y and their lowest z; None if the network's input of a visit
        does not depend on the other visits, or without points.

    """
    if config.compat != 'official' or config.backbone not in POINT_TRANSFORMERS:
        return None
    xyz = [s.xyz for s in scans if len(s)]
    if not xyz:
        return None
    low = np.min([points.min(0) for points in xyz], axis=0).astype(np.float64)
    high = np.max([points.max(0) for points in xyz], axis=0).astype(np.float64)
    return np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])


def make_visit_input(
    scan: Scan, superpoint: np.ndarray, config: ModelConfig, origin: np.ndarray | None = None
) -> VisitInput:
    """
    Voxelize one visit on the absolute grid and assign voxels to superpoints.

    A voxel belongs to the superpoint of the majority of its points. The points of a superpoint
    without voxels go to the superpoint of the voxel that holds most of them.

    Parameters
    ----------
    scan : Scan
        With normals if known; missing colors and normals become zeros.
    superpoint : ndarray (N,), int
        Superpoint of each point; any integers.
    config : ModelConfig
    origin : ndarray (3,), m, in map, optional
        `sequence_origin` of the sequence; default: that of this visit alone.

    """
    xyz = scan.xyz.astype(np.float64)
    if len(xyz) == 0:
        return _empty_visit(config)
    origin = sequence_origin([scan], config) if origin is None else origin
    coords, voxel, _ = voxelize(xyz if origin is None else xyz - origin, config.voxel_size)
    voxel_superpoint, point_superpoint = _share_voxels(voxel, np.asarray(superpoint), len(coords))
    mean_xyz = _mean_per_voxel(xyz, voxel, len(coords))
    is_local = config.features == 'local'
    values = point_features(scan) if is_local else sonata_features(scan, origin)
    feats = _mean_per_voxel(values, voxel, len(coords))
    if is_local:
        feats = np.hstack([feats, 2 * (mean_xyz / config.voxel_size - coords) - 1])
    fine = None
    if config.fine_level_channels:
        fine = _fine_voxels(xyz, values, point_superpoint, config.voxel_size / 2)
    if origin is not None:
        coords = coords - coords.min(0)  # published: a separate grid per visit
    return VisitInput(
        coords=torch.from_numpy(coords.astype(np.int64)),
        feats=torch.from_numpy(feats.astype(np.float32)),
        xyz=torch.from_numpy(mean_xyz.astype(np.float32)),
        superpoint=torch.from_numpy(voxel_superpoint),
        n_superpoints=int(voxel_superpoint.max()) + 1,
        point_superpoint=point_superpoint.astype(np.int32),
        fine=fine,
    )


def _fine_voxels(
    xyz: np.ndarray, values: np.ndarray, superpoint: np.ndarray, edge: float
) -> FineVoxels:
    """Return the voxels of an edge in m, with local features; values (N, C) of the points."""
    # Half of a number and twice a quotient are exact, so the cells lie in those of the visit.
    coords, voxel, _ = voxelize(xyz, edge)
    inside = 2 * (_mean_per_voxel(xyz, voxel, len(coords)) / edge - coords) - 1
    feats = np.hstack([_mean_per_voxel(values, voxel, len(coords)), inside])
    owner, *_ = _majority(voxel, superpoint, len(coords))
    return FineVoxels(
        torch.from_numpy(coords.astype(np.int64)),
        torch.from_numpy(feats.astype(np.float32)),
        torch.from_numpy(owner),
    )


def _share_voxels(voxel: np.ndarray, superpoint: np.ndarray, n_voxels: int):
    """Return the dense superpoint of each voxel and of each point."""
    _, superpoint = np.unique(superpoint, return_inverse=True)
    owner, pair_voxel, pair_superpoint = _majority(voxel, superpoint, n_voxels)
    heir = np.empty(int(superpoint.max()) + 1, dtype=np.int64)
    heir[pair_superpoint] = owner[pair_voxel]
    heir[owner] = owner
    kept, voxel_superpoint = np.unique(owner, return_inverse=True)
    return voxel_superpoint, np.searchsorted(kept, heir)[superpoint]


def _majority(
    voxel: np.ndarray, superpoint: np.ndarray, n_voxels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the superpoint of most points of each voxel, and the pairs, least shared first."""
    n_superpoints = int(superpoint.max()) + 1
    pair, count = np.unique(voxel * n_superpoints + superpoint, return_counts=True)
    pair_voxel, pair_superpoint = np.divmod(pair, n_superpoints)
    owner = np.empty(n_voxels, dtype=np.int64)
    # Ascending counts: the last write to a voxel is its largest share, the lower id on a tie.
    order = np.lexsort((-pair_superpoint, count))
    owner[pair_voxel[order]] = pair_superpoint[order]
    return owner, pair_voxel[order], pair_superpoint[order]


def _mean_per_voxel(values: np.ndarray, voxel: np.ndarray, n_voxels: int) -> np.ndarray:
    """Return the (V, C) float64 mean of the values in each voxel."""
    counts = np.bincount(voxel, minlength=n_voxels)
    sums = [
        np.bincount(voxel, weights=values[:, c], minlength=n_voxels)
        for c in range(values.shape[1])
    ]
    return np.stack(sums, axis=1) / counts[:, None]


def _empty_visit(config: ModelConfig) -> VisitInput:
    """Return the input of a visit without points."""
    coords, superpoint = torch.zeros((0, 3), dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    feats = torch.zeros((0, N_CHANNELS[config.features]))
    return VisitInput(
        coords=coords,
        feats=feats,
        xyz=torch.zeros((0, 3)),
        superpoint=superpoint,
        n_superpoints=0,
        point_superpoint=np.zeros(0, dtype=np.int32),
        fine=FineVoxels(coords, feats, superpoint) if config.fine_level_channels else None,
    )


def point_features(scan: Scan) -> np.ndarray:
    """
    Compute the features of each point that the voxels average.

    Normals are used without sign: the sensor position is unknown for fused clouds, and opposite
    signs in one voxel would cancel.

    Returns
    -------
    ndarray (N, 8), float32
        Color in [-1, 1] (0 without color), 1 if there is color, absolute normal, height above
        the floor in m.

    """
    feats = np.zeros((len(scan), POINT_CHANNELS), dtype=np.float32)
    if scan.rgb is not None:
        feats[:, :3] = scan.rgb.astype(np.float32) / 127.5 - 1
        feats[:, 3] = 1
    if scan.normals is not None:
        feats[:, 4:7] = np.abs(scan.normals)
    feats[:, 7] = scan.xyz[:, 2] - coarse_floor_height(scan.xyz, scan.normals)
    return feats


def sonata_features(scan: Scan, origin: np.ndarray | None = None) -> np.ndarray:
    """
    Compute the point features of Sonata and Concerto.

    Without `origin` positions are relative to the center of the visit, not of the sequence as
    published, so that a visit can be encoded alone.

    Parameters
    ----------
    scan : Scan
        At least one point.
    origin : ndarray (3,), m, in map, optional
        See `sequence_origin`.

    Returns
    -------
    ndarray (N, 9), float64
        Position relative to the center and to the lowest point of the visit, or to `origin`, m;
        color in [0, 1]; normal. Missing values are zero.

    """
    xyz = scan.xyz.astype(np.float64)
    if origin is None:
        low, high = xyz.min(0), xyz.max(0)
        origin = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    rgb = np.zeros_like(xyz) if scan.rgb is None else scan.rgb / 255
    normals = np.zeros_like(xyz) if scan.normals is None else scan.normals
    return np.hstack([xyz - origin, rgb, normals])
