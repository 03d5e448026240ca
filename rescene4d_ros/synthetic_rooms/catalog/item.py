"""One model of a library, and the split that its whole family is in."""

from __future__ import annotations

from dataclasses import dataclass
import hashlib

from rescene4d_ros.synthetic_rooms.catalog.kinds import KINDS
from rescene4d_ros.synthetic_rooms.catalog.sh3f import Entry
from rescene4d_ros.synthetic_rooms.furniture.split import SPLITS

# Shares of the hash range.
_TRAIN, _VAL = 0.66, 0.80
# Chosen once so that the reviewed families of nearly all classes reach every split.
_SALT = 'rescene4d-1622'


def split_of(family: str) -> str:
    """Return 'train', 'val' or 'test'; the same for all members of a family, everywhere."""
    digest = hashlib.sha256(f'{_SALT}:{family}'.encode()).digest()
    share = int.from_bytes(digest[:8], 'big') / 2**64
    return SPLITS[int(share >= _TRAIN) + int(share >= _VAL)]


@dataclass(frozen=True)
class Item:
    """
    Hold a model of a library as the rooms see it.

    Attributes
    ----------
    entry : Entry
    kind : str
        Key of KINDS.
    family : str
        Shared by models that look alike; a family is in one split.
    turn : int, deg
        Correction about z.

    """

    entry: Entry
    kind: str
    family: str
    turn: int

    @property
    def split(self) -> str:
        """Return 'train', 'val' or 'test'."""
        return split_of(self.family)

    @property
    def class_name(self) -> str:
        """Return the class in words."""
        return KINDS[self.kind].class_name
