"""The list of furniture makers by name; several shapes for every object class."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rescene4d_ros.synthetic_rooms.furniture import (
    bath,
    bedroom,
    openings,
    seating,
    small,
    storage,
    tables,
)
from rescene4d_ros.synthetic_rooms.furniture.model import Model

CATALOG: dict[str, Callable[[np.random.Generator], Model]] = {
    'dining chair': seating.dining_chair,
    'shell chair': seating.shell_chair,
    'office chair': seating.office_chair,
    'armchair': seating.armchair,
    'sofa': seating.sofa,
    'corner sofa': seating.corner_sofa,
    'stool': seating.stool,
    'dining table': tables.dining_table,
    'coffee table': tables.coffee_table,
    'side table': tables.side_table,
    'round table': tables.round_table,
    'meeting table': tables.meeting_table,
    'desk': tables.desk,
    'counter': tables.counter,
    'bar counter': tables.bar_counter,
    'wardrobe': storage.wardrobe,
    'sideboard': storage.sideboard,
    'chest': storage.chest,
    'filing cabinet': storage.filing_cabinet,
    'nightstand': storage.nightstand,
    'wall cabinet': storage.wall_cabinet,
    'locker': storage.shoe_locker,
    'bookshelf': storage.bookshelf,
    'open rack': storage.open_rack,
    'refrigerator': storage.refrigerator,
    'bed': bedroom.bed,
    'bunk bed': bedroom.bunk_bed,
    'toilet': bath.toilet,
    'washbasin': bath.washbasin,
    'kitchen sink': bath.kitchen_sink,
    'bathtub': bath.bathtub,
    'curtain': openings.curtain,
    'shower curtain': openings.shower_curtain,
    'picture': openings.picture,
    'whiteboard': openings.whiteboard,
    'monitor': small.monitor,
    'television': small.television,
    'laptop': small.laptop,
    'table lamp': small.table_lamp,
    'floor lamp': small.floor_lamp,
    'bin': small.bin_,
    'box': small.carton,
    'plant': small.plant,
    'small plant': small.small_plant,
    'bag': small.bag,
    'suitcase': small.suitcase,
    'basket': small.basket,
    'printer': small.printer,
    'microwave': small.microwave,
    'pot': small.pot,
    'radiator': small.radiator,
    'fan': small.fan,
}


def draw(names: str, rng: np.random.Generator) -> Model:
    """Make one model of the maker `names`; 'a|b' draws between makers."""
    choices = names.split('|')
    return CATALOG[choices[int(rng.integers(len(choices)))]](rng)
