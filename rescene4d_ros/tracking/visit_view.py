"""What a visit shows at places, by surfaces and their color; and what is known before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np
from rescene4d_ros.geometry.place_evidence import Cloud, is_flat, look_at, Place, PlaceEvidence
from rescene4d_ros.structures import Scan, VisitInfo
from rescene4d_ros.tracking.association.appearance import (
    color_evidence,
    ColorChange,
    describe_color,
    describe_texture,
    fit_colors,
)
from rescene4d_ros.tracking.records import ObjectRecord, Observation
from rescene4d_ros.tracking.thresholds import SAME_SPOT, SAME_SURFACE

# Color evidence below which the surface at a place is another object's. The wall behind a flat
# object lies at the same place, so its color must be evidence for it.
OTHER_COLOR = -5.0
OTHER_COLOR_FLAT = 2.5
UNCLAIMED_SHARE = 0.5  # of an object's points that must have been there, unclaimed, before


class VisitView:
    """
    Answer what one visit shows at places.

    Parameters
    ----------
    scan : Scan
    labels : ndarray (N,), int64, optional
        Persistent ids of its points, of a visit that is processed.
    cloud : Cloud, optional
        Of the same scan, where it was made before.

    Attributes
    ----------
    scan : Scan
    labels : ndarray (N,), int64, or None
    cloud : Cloud
    colors : ColorChange
        How the visit shows the colors of things that were compared with it.

    """

    def __init__(self, scan: Scan, labels: np.ndarray | None = None, cloud: Cloud | None = None):
        self.scan, self.labels = scan, labels
        self.cloud = Cloud.of(scan) if cloud is None else cloud
        self._looks: dict[int, tuple[Observation | ObjectRecord, PlaceEvidence]] = {}
        self._colors_at: dict[int, tuple[Observation | ObjectRecord, np.ndarray]] = {}
        self.colors = ColorChange()

    def with_labels(self, labels: np.ndarray) -> VisitView:
        """Return the view of the same points with other ids; what it shows at places is kept."""
        view = copy(self)
        view.labels = labels
        return view

    def place_of(self, record: ObjectRecord) -> PlaceEvidence:
        """
        Find out what is at the old place of an object.

        Geometry alone cannot tell a picture from the wall behind it, nor a new bin from the old
        one: a surface of clearly another color does not count as the object's.

        """
        at = self.look(record)
        if at.place is Place.OCCUPIED and not self._looks_like(record):
            return replace(
                at, place=Place.SEEN_EMPTY, observed=max(at.observed, at.occupied), occupied=0.0
            )
        return at

    def places_of(self, records: Mapping[int, ObjectRecord]) -> dict[int, PlaceEvidence]:
        """Find out what is at the old places of objects."""
        return {object_id: self.place_of(record) for object_id, record in records.items()}

    def compare_colors(self, things: Iterable[Observation | ObjectRecord]) -> None:
        """Measure how this visit shows colors, by things of other visits that are in place."""
        pairs = [
            (here, thing.color)
            for thing in things
            if len(thing.color)
            and self.look(thing).place is Place.OCCUPIED
            and (here := self._color_at(thing)) is not None
        ]
        self.colors = fit_colors(*np.array(pairs).reshape(-1, 2, 6).swapaxes(0, 1))

    def look(self, seen: Observation | ObjectRecord) -> PlaceEvidence:
        """Return what this visit's surfaces show where another found something; looked up once."""
        if id(seen) not in self._looks:  # kept with it, so that no other gets its id
            self._looks[id(seen)] = seen, look_at(self.cloud, seen.xyz, seen.box)
        return self._looks[id(seen)][1]

    def was_there(self, seen: Observation) -> PlaceEvidence:
        """
        Find out whether what a later visit found stood here already, unnoticed.

        Returns
        -------
        PlaceEvidence
            OCCUPIED only by surfaces of like color that belonged to no known object.

        """
        at = self.look(seen)
        if at.place is not Place.OCCUPIED:
            return at
        distance, nearest = self.cloud.tree.query(seen.xyz, distance_upper_bound=SAME_SURFACE)
        close = self.cloud.index[nearest[np.isfinite(distance)]]
        unclaimed = (
            len(close)
            and self.labels is not None
            and (self.labels[close] == 0).sum() >= UNCLAIMED_SHARE * len(seen.xyz)
        )
        if unclaimed and self._looks_like(seen):
            return at
        return replace(at, place=Place.SEEN_EMPTY, observed=max(at.observed, at.occupied))

    def share_of(self, object_id: int, xyz: np.ndarray) -> float:
        """Return the share of some points (M, 3) that are an object's in this visit; 0..1."""
        if self.labels is None or len(xyz) == 0:
            return 0.0
        distance, nearest = self.cloud.tree.query(xyz, distance_upper_bound=SAME_SURFACE)
        close = self.cloud.index[nearest[np.isfinite(distance)]]
        return float((self.labels[close] == object_id).sum() / len(xyz))

    def texture_of(self, object_id: int, xyz: np.ndarray) -> np.ndarray:
        """
        Return the texture of an object's surface as this visit shows it.

        Parameters
        ----------
        object_id : int
            Only its points count, unless the visit has no labels yet.
        xyz : ndarray (M, 3), float32, m, in map

        Returns
        -------
        ndarray (M,), float32
            See `appearance.describe_texture`; NaN where the visit does not show the point, and
            without color.

        """
        texture = np.full(len(xyz), np.nan, dtype=np.float32)
        if self.scan.rgb is None or len(xyz) == 0:
            return texture
        distance, nearest = self.cloud.tree.query(xyz, distance_upper_bound=SAME_SPOT)
        shown = np.isfinite(distance)
        if self.labels is not None:
            shown[shown] = self.labels[self.cloud.index[nearest[shown]]] == object_id
        row, points = self.cloud.index[nearest[shown]], xyz[shown]
        if self.scan.normals is None:
            # Not above: Numba takes a second to import, and readers of a memory need none of it.
            from rescene4d_ros.geometry.normals import estimate_normals

            normals = estimate_normals(points, sensor_path=self.scan.sensor_path)
        else:
            normals = self.scan.normals[row]
        texture[shown] = describe_texture(points, normals, self.scan.rgb[row])
        return texture

    def _looks_like(self, thing: Observation | ObjectRecord) -> bool:
        """Return whether the surface at its place may be a thing's by color; yes without color."""
        here = self._color_at(thing)
        if here is None or len(thing.color) == 0:
            return True
        is_thin = is_flat(thing.box)
        least = OTHER_COLOR_FLAT * self.colors.telling if is_thin else OTHER_COLOR
        return bool(color_evidence(here, thing.color, self.colors) >= least)

    def _color_at(self, thing: Observation | ObjectRecord) -> np.ndarray | None:
        """Return the color (6,) of the surface at its place, described once; None without."""
        light, rooms = self.scan.mean_color, self.scan.local_light
        if self.scan.rgb is None or light is None:
            return None
        if id(thing) not in self._colors_at:  # kept with it, so that no other gets its id
            shown = thing.xyz[self.look(thing).covered]
            row = self.cloud.index[np.unique(self.cloud.tree.query(shown)[1])]
            light = light if rooms is None else rooms.around(thing.xyz)
            self._colors_at[id(thing)] = thing, describe_color(self.scan.rgb[row], light)
        return self._colors_at[id(thing)][1]


@dataclass(frozen=True)
class VisitContext:
    """
    Hold a visit and what is known before it.

    Attributes
    ----------
    visit : VisitInfo
    view : VisitView
        Of the visit.
    earlier : tuple of VisitView
        The earlier visits of its window, with labels, newest first; empty at the first visit of
        a place, when nothing can be new.
    class_names : tuple of str
    records : mapping of object id to ObjectRecord
        All objects remembered before the visit.
    next_id : int
        The first id that was never given.
    locked : frozenset of int
        Ids that people have locked; they are neither merged nor split.
    left : mapping of object id to float
        How likely geometry alone shows that an object left its place, 0..1.

    """

    visit: VisitInfo
    view: VisitView
    earlier: tuple[VisitView, ...]
    class_names: tuple[str, ...]
    records: Mapping[int, ObjectRecord] = field(default_factory=dict)
    next_id: int = 1
    locked: frozenset[int] = frozenset()
    left: Mapping[int, float] = field(default_factory=dict)

    def unobserved(self, observation: Observation) -> float:
        """Return how far no earlier visit looked at the place of an observation, 0..1."""
        return min((view.look(observation).unobserved for view in self.earlier), default=1.0)

    def compare_colors(self, observations: Sequence[Observation]) -> None:
        """Measure how the visit shows colors beside the records, and earlier ones beside it."""
        self.view.compare_colors(self.records.values())
        for view in self.earlier:
            view.compare_colors(observations)

    def earlier_labels(self) -> list[np.ndarray]:
        """Return the labels of the earlier visits, oldest first."""
        return [view.labels for view in reversed(self.earlier) if view.labels is not None]
