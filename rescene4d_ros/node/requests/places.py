"""Where objects are: `~/query_objects` with its regions, and places with how sure they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
import time

from rescene4d_ros import msg
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.memory import queries
from rescene4d_ros.memory.queries import ObjectLocation
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.zones import read_zones, Zone, zone_named, zones_of
from rescene4d_ros.node.messages.conversions import box_from_msg, place_to_msg
from rescene4d_ros.planning.nearby import distance_to, Region, select
from rescene4d_ros.planning.presence import fitted_model, stay_of
from rescene4d_ros.srv import QueryObjects
from rescene4d_ros.structures import Change, ObjectState, VisitStatus
from rescene4d_ros.tracking.object_ids import resolve

STATES = (ObjectState.PRESENT, ObjectState.ABSENT, ObjectState.NOT_OBSERVED)
FEW = 8  # objects whose histories are read one by one


@dataclass(frozen=True)
class Sureness:
    """Say how likely objects of a memory are still where they were, at one time."""

    memory: SceneMemory
    now_ns: int

    def of(self, places: Iterable[ObjectLocation]) -> Iterator[tuple[ObjectLocation, float]]:
        """Yield each place with the probability that its object is still there."""
        stamps = {v.visit_id: v.stamp_ns for v in self.memory.visits(VisitStatus.DONE)}
        past, model = self.memory.past, fitted_model()
        changes = self._changes_of(places := [*places])
        for place in places:
            stay = stay_of(past.get(place.object_id, ()), changes.get(place.object_id, ()), stamps)
            if stay is None:
                yield place, 0.0
            else:
                yield place, model.still_there(place.class_name, stay, self.now_ns)

    def _changes_of(self, places: Sequence[ObjectLocation]) -> dict[int, list[Change]]:
        """Return the changes of some objects: few are asked for one by one, many at once."""
        found: dict[int, list[Change]] = defaultdict(list)
        if len(places) <= FEW:
            for place in places:
                for event in queries.history_of(self.memory, place.object_id):
                    found[place.object_id] += event.changes
            return found
        aliases = self.memory.aliases()
        for change in self.memory.changes():
            found[resolve(change.object_id, aliases)].append(change)
        return found


def answer(
    memory: SceneMemory,
    request: QueryObjects.Request,
    response: QueryObjects.Response,
    at_ns: int | None,
) -> None:
    """Fill in the objects that a request is about; raises RescenError."""
    if request.object_id and request.class_name:
        raise ConfigError(
            f'expected object_id or class_name, got both '
            f'({request.object_id}, {request.class_name!r}); leave one out'
        )
    zones = read_zones(memory.path)
    region, states = region_of(request, zones), states_of(request)
    found = (
        [queries.where_is(memory, request.object_id, at_ns)]
        if request.object_id
        else queries.of_class(memory, request.class_name or None, at_ns, states)
    )
    response.objects = messages_of(memory, select(found, region), zones, at_ns, region.point)


def messages_of(
    memory: SceneMemory,
    places: Iterable[ObjectLocation],
    zones: Iterable[Zone],
    at_ns: int | None = None,
    point: tuple[float, float, float] | None = None,
) -> list[msg.ObjectPlace]:
    """Return places as messages, with zones, distance from a point, and sureness."""
    sure = Sureness(memory, time.time_ns())
    made = []
    known = [(p, float(not p.is_gone)) for p in places] if at_ns else sure.of(places)
    for place, still_there in known:
        message = place_to_msg(place)
        message.still_there = float(still_there)
        message.zones = list(zones_of(zones, place.box))
        message.distance = distance_to(place.box, point) if point else 0.0
        made.append(message)
    return made


def states_of(request: QueryObjects.Request) -> frozenset[ObjectState]:
    """
    Return the states in which a request looks for objects; empty = those that are not gone.

    Raises
    ------
    ConfigError
        A number that is no state, or an object is named, which is found in whatever state.

    """
    given = [int(state) for state in request.states]
    if given and request.object_id:
        raise ConfigError(
            f'expected object_id or states, got both ({request.object_id}, {given[:5]}); leave '
            'one out: an object is found in whatever state'
        )
    if not {*given} <= {*STATES}:
        known = ', '.join(f'{int(state)} ({state.name})' for state in STATES)
        raise ConfigError(f'expected states of {known}, got {given[:5]}; see SceneObject.msg')
    return frozenset(map(ObjectState, given))


def region_of(request: QueryObjects.Request, zones: tuple[Zone, ...]) -> Region:
    """Return where a request looks for objects."""
    point = request.point
    return Region(
        zone_named(zones, request.zone) if request.zone else None,
        box_from_msg(request.box) if request.has_box else None,
        (point.x, point.y, point.z) if request.has_point else None,
        request.radius,
        request.most,
    )
