"""
What the fixed sets are: settings, seeds and split of each.

Seeds of different sets are apart by a million, and their furniture is of different splits, so no
set shares a room or a model with the training set. Whatever changes here, in the settings they
start from or in the generator changes the sets: record them anew then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rescene4d_ros.config import make
from rescene4d_ros.synthetic_rooms.config import PRESETS, RoomsConfig


@dataclass(frozen=True)
class Batch:
    """
    Hold sequences of a set that are made with the same settings.

    Attributes
    ----------
    first_seed, count : int
        Seeds first_seed .. first_seed + count - 1.
    config : RoomsConfig

    """

    first_seed: int
    count: int
    config: RoomsConfig

    @property
    def seeds(self) -> range:
        """Return the seeds, one per sequence."""
        return range(self.first_seed, self.first_seed + self.count)


@dataclass(frozen=True)
class RoomSet:
    """
    Hold the definition of one set.

    Attributes
    ----------
    name : str
    text : str
        One sentence for people: what it is for.
    batches : tuple of Batch
    recorded : int
        Only the first so many have checksums; 0 = all.
    on_floor : int
        All rooms are in one map, so many on each floor of a building; 0 = each has its own map.

    """

    name: str
    text: str
    batches: tuple[Batch, ...]
    recorded: int = 0
    on_floor: int = 0

    def __len__(self) -> int:
        """Return the number of sequences."""
        return sum(batch.count for batch in self.batches)

    def sequences(self) -> Iterator[tuple[int, RoomsConfig]]:
        """Yield seed and settings of every sequence, always in the same order."""
        for batch in self.batches:
            for seed in batch.seeds:
                yield seed, batch.config


# The sets were recorded when a room was full after so many failures, whatever was asked for.
_FULL = {'max_failures': 30, 'failures_per_object': 0.0}


def _batches(first_seed: int, split: str, *parts: tuple[int, str, dict]) -> tuple[Batch, ...]:
    """Return batches of (count, preset, other settings) whose seeds follow each other."""
    batches = []
    for count, preset, values in parts:
        config = make(RoomsConfig, {**PRESETS[preset], **_FULL, 'split': split, **values})
        batches.append(Batch(first_seed, count, config))
        first_seed += count
    return tuple(batches)


def _lifelike(first_seed: int, count: int, split: str, values: dict) -> tuple[Batch, ...]:
    config = make(RoomsConfig, {**PRESETS['lifelike'], 'visits': 2, 'split': split, **values})
    return (Batch(first_seed, count, config),)


# As far off as the registration of a careful, and of a careless, mapping run.
_HARD = {
    'visits': 2,
    'registration_m': 0.03,
    'registration_deg': 1.0,
    'p_twin': 1.0,
    'p_swap': 0.8,
    'p_hidden_zone': 0.8,
    'hidden_radius': 1.2,
    'views': 12,
    'min_objects': 10,
    'max_objects': 24,
}


def _hard_parts(count: int) -> tuple[tuple[int, str, dict], ...]:
    """Return the batches of hard rooms, so many of each of four types of room."""
    return tuple(
        (count, 'busy', {**_HARD, 'room_type': room_type})
        for room_type in ('meeting', 'office', 'living', 'kitchen')
    )


# Things leave for some visits and come back, and zones are missed: identity has to last.
_LONG = {'p_remove': 0.12, 'p_return': 0.4, 'p_swap': 0.3, 'p_twin': 1.0, 'p_hidden_zone': 0.3}
# A hall: more views for its area, and time to find the last free places.
_CROWD = {**_LONG, 'min_objects': 115, 'max_objects': 150, 'max_failures': 200, 'views': 64}

# Of the open set, so many are recorded.
_RECORDED = 12
_LIFELIKE_LONG = {'visits': 5, 'p_remove': 0.12, 'p_return': 0.4, 'p_swap': 0.3, 'p_twin': 1.0}

SETS: dict[str, RoomSet] = {
    s.name: s
    for s in (
        RoomSet(
            'rooms-train',
            'to learn from: two visits, two thirds of the rooms busy',
            _batches(
                1_000_000, 'train', (400, 'busy', {'visits': 2}), (200, 'default', {'visits': 2})
            ),
        ),
        RoomSet(
            'rooms-val',
            'to choose by: two visits',
            _batches(
                2_000_000, 'val', (30, 'busy', {'visits': 2}), (30, 'default', {'visits': 2})
            ),
        ),
        RoomSet(
            'rooms-test',
            'to be measured on: two visits, the kinds of furniture of training, unseen models',
            _batches(
                3_000_000, 'test', (60, 'busy', {'visits': 2}), (60, 'default', {'visits': 2})
            ),
        ),
        RoomSet(
            'rooms-long',
            'identity over 5 and 12 visits: absence and return, missed zones, '
            'look-alikes that trade places, rooms of more than 100 objects',
            _batches(
                4_000_000,
                'test',
                (16, 'busy', {**_LONG, 'visits': 5}),
                (10, 'busy', {**_LONG, 'visits': 12}),
                (2, 'busy', {**_CROWD, 'visits': 5, 'room_type': 'living'}),
                (2, 'busy', {**_CROWD, 'visits': 5, 'room_type': 'meeting'}),
                (2, 'busy', {**_CROWD, 'visits': 12, 'room_type': 'office'}),
            ),
        ),
        RoomSet(
            'rooms-hard',
            'identical chairs that trade places, zones missed at most visits, few '
            'views, registration up to 3 cm and 1 degree off',
            _batches(5_000_000, 'test', *_hard_parts(15)),
        ),
        RoomSet(
            'rooms-hard-train',
            'to fit by what rooms-hard is measured on: the same conditions, furniture of training',
            _batches(5_500_000, 'train', *_hard_parts(25)),
            recorded=_RECORDED,
        ),
        RoomSet(
            'lifelike-train',
            'to learn from, as many as wanted: full rooms of things in contact, as scanners give '
            'them; the first are recorded',
            _lifelike(6_000_000, 100_000, 'train', {}),
            recorded=3,
        ),
        RoomSet(
            'lifelike-val',
            'to choose by: unseen designs, the scanners of training',
            _lifelike(7_000_000, 60, 'val', {}),
        ),
        RoomSet(
            'lifelike-test',
            'to be measured on: unseen designs, scanners and pairs of rooms',
            _lifelike(8_000_000, 120, 'test', {}),
        ),
        RoomSet(
            'lifelike-long',
            'identity over five visits of full rooms',
            _lifelike(9_000_000, 24, 'test', _LIFELIKE_LONG),
        ),
        RoomSet(
            'building-test',
            'rooms of one building, two floors of eight on a corridor: whole floors against '
            'their rooms alone',
            _batches(3_500_000, 'test', (16, 'busy', {'visits': 2})),
            on_floor=8,
        ),
    )
}
