"""The reviewed table: kind, family and orientation of every known model, from `models.csv`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
import re

from rescene4d_ros.synthetic_rooms.catalog.kinds import EXCLUDED, find_kind, KINDS

FILE = Path(__file__).with_name('models.csv')
# Words of a name that tell variants of one design apart.
VARIANT = re.compile(
    r'\d+|(?:^|[-_ ])(?:white|black|red|green|blue|grey|gray|beige|brown|left|'
    r'right|small|large|big|open|opened|closed|single|double)(?=$|[-_ ])',
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Row:
    """
    Hold what is known about a model.

    Attributes
    ----------
    kind : str
        Key of KINDS, EXCLUDED, or '' for unknown.
    family : str
    turn : int, deg
        About z, for a front at +y.

    """

    kind: str
    family: str
    turn: int = 0


@cache
def _table() -> dict[str, Row]:
    with open(FILE, encoding='utf-8', newline='') as file:
        rows = {
            r['id']: Row(r['kind'], r['family'] or r['id'], int(r['turn'] or 0))
            for r in csv.DictReader(file)
        }
    unknown = {r.kind for r in rows.values()} - set(KINDS) - {EXCLUDED}
    if unknown:
        raise ValueError(f'{FILE.name}: kinds that kinds.py does not have: {sorted(unknown)}')
    return rows


def reviewed(model_id: str, name: str, category: str) -> Row:
    """Return the row of a model; by rules of name and category where the table has none."""
    row = _table().get(model_id)
    if row is None:
        row = Row(find_kind(name, category), VARIANT.sub('', model_id).strip('-_ ').lower())
    return row
