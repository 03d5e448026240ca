"""What full rooms hold: large furniture in contact, then habits of leaving things about."""

from __future__ import annotations

from rescene4d_ros.synthetic_rooms.layout.room_recipes import CHAIRS, SOFAS, Step, TABLES

TALL = 'closet|tall unit|wardrobe|open shelf|bookshelf'
SHELVES = 'open shelf|bookshelf|open rack'
WORK = 'base unit|counter|worktop|bar counter'
SEATS = f'{CHAIRS}|armchair|office chair'

# In order; 'row X' stands flush beside an earlier X.
FURNITURE: dict[str, tuple[Step, ...]] = {
    'living': (
        Step('whole curtain', 0, 1),
        Step('curtain', 1, 2),
        Step(SOFAS, 1, 2),
        Step(f'armchair|{SOFAS}', 0, 1, f'row {SOFAS}'),
        Step('sideboard|chest', 1, 2),
        Step('big screen', 0, 1, 'on sideboard|chest'),
        Step('coffee table|pouf', 1, 2, f'front {SOFAS}'),
        Step('closet', 0, 1),
        Step('open shelf', 1, 3),
        Step('open shelf|bookshelf|tall unit', 0, 3, 'row open shelf'),
        Step('rug', 0, 1, f'under coffee table|{SOFAS}'),
        Step(TABLES, 0, 1),
        Step(CHAIRS, 3, 6, f'around {TABLES}'),
        Step('side table', 0, 2, f'row {SOFAS}'),
        Step('radiator', 0, 2),
        Step('wall shelf', 0, 2),
    ),
    'bedroom': (
        Step('whole curtain', 0, 1),
        Step('curtain', 1, 2),
        Step('bed|bed|bunk bed', 1, 1),
        Step('nightstand|side table', 1, 2, 'row bed|bunk bed'),
        Step('closet', 0, 1),
        Step('tall unit|wardrobe', 1, 2),
        Step('rug', 0, 1, 'under bed|bunk bed'),
        Step('tall unit|wardrobe', 0, 3, 'row tall unit|wardrobe'),
        Step('desk', 0, 1),
        Step('office chair|dining chair', 1, 1, 'around desk'),
        Step('chest', 0, 2),
        Step('open shelf', 0, 2),
        Step('bench', 0, 1),
        Step('radiator', 0, 1),
        Step('wall shelf', 0, 2),
    ),
    'office': (
        Step('whole curtain', 0, 1),
        Step('curtain', 0, 2),
        Step('desk', 1, 3),
        Step('desk', 0, 2, 'row desk'),
        Step('office chair', 1, 5, 'around desk'),
        Step('display', 1, 5, 'on desk'),
        Step('open shelf|bookshelf', 1, 3),
        Step('open shelf|filing cabinet|tall unit', 0, 3, 'row open shelf|bookshelf'),
        Step('filing cabinet', 0, 2, 'under desk'),
        Step('wall shelf', 0, 2),
        Step('radiator', 0, 1),
        Step('armchair|sofa', 0, 1),
    ),
    'kitchen': (
        Step('base unit', 1, 1),
        Step('base unit', 2, 5, 'row base unit'),
        Step('refrigerator|tall unit|washing machine', 1, 2, 'row base unit'),
        Step('counter', 0, 1),
        Step('kitchen sink', 1, 1, 'slot counter'),
        Step('wall unit', 1, 1),
        Step('wall unit', 1, 4, 'row wall unit'),
        Step(TABLES, 0, 1),
        Step(CHAIRS, 2, 5, f'around {TABLES}'),
        Step('bar counter', 0, 1),
        Step('bar stool', 1, 3, 'around bar counter'),
        Step('open shelf|sideboard', 0, 2),
        Step('wall shelf', 0, 2),
        Step('radiator', 0, 1),
    ),
    'bath': (
        Step('bathtub', 0, 1),
        Step('shower curtain', 1, 1, 'tub bathtub'),
        Step('toilet', 1, 1),
        Step('washbasin', 1, 2),
        Step('mirror', 0, 1),
        Step('washing machine', 0, 2),
        Step('tall unit', 0, 1, 'row washing machine'),
        Step('open shelf|chest', 0, 1),
        Step('wall unit', 0, 1),
        Step('radiator', 0, 1),
        Step('curtain', 1, 2),
    ),
    'meeting': (
        Step('whole curtain', 0, 1),
        Step('meeting table', 1, 1),
        Step('office chair|shell chair|dining chair', 6, 12, 'around meeting table'),
        Step('sideboard', 0, 2),
        Step('sideboard|open shelf', 0, 2, 'row sideboard'),
        Step('big screen', 0, 1, 'on sideboard'),
        Step('bar counter', 0, 1),
        Step('bar stool', 1, 3, 'around bar counter'),
        Step('open shelf', 0, 2),
        Step('radiator', 0, 1),
    ),
}

TABLE_TOPS = f'{TABLES}|coffee table|side table|meeting table|desk|sideboard|chest|nightstand'
# (weight, kinds, where): what lies about anywhere.
EVERYWHERE = (
    (3, 'large box|small box|crate', 'against any'),
    (2, 'large box|small box|crate|package', 'on large box|crate|small box'),
    (3, 'backpack|sack|handbag|bag|suitcase', 'against any'),
    (4, 'handbag|clothes heap|backpack|toy|pillow|small box', f'on {SEATS}|{SOFAS}'),
    (2, 'large box|small box|suitcase|crate|clothes heap', 'on tall unit|wardrobe|open shelf'),
    (2, 'waste bin|bucket|basket|bin', 'against any'),
    (1, 'shoes', 'against any'),
    (1, 'standing lamp|stand|potted plant|fan|potted plant', 'against any'),
    (0.5, 'leaning board', 'against any'),
    (1.5, 'framed picture', ''),
    (1, 'framed picture', 'row framed picture'),
    (2, 'bottle|small plant|table plant|vase|jar|toy|single books|small box', 'on window'),
    (0.7, 'wall device|notice board|mirror', ''),
    (1, 'hung garment|hung towel', ''),
    (2, 'hung garment|hung towel|notice board', f'face {TALL}'),
    (2, 'hung garment|hung towel|handbag', 'row hung garment|hung towel'),
    (1, 'framed picture', 'on sideboard|chest|desk|wall shelf|washing machine'),
    (9, 'bottle|jar|vase|table plant|pile|papers|table lamp|toy|tray|package|gadget', 'on any'),
    (3, 'small box|large box|pile|clothes heap|crate|pillow', 'on any'),
    (3, 'book row|single books|small box|vase|jar|toy|speaker', f'in {SHELVES}|wall shelf'),
    (1, 'heater|pouf|apparatus', 'against any'),
    (2, 'filled basket|upright thing|ladder|roll|wheeled thing|cable', 'against any'),
    (2, 'roll|round thing|gadget', 'on any'),
    (1, 'cable', 'under desk|sideboard|bed'),
)
LOW = 'sideboard|chest|filing cabinet|desk|bench|washing machine|refrigerator'
# What fills walls and floor; some rooms are full of it, others of small things.
LARGE = (
    (6, 'tall unit|wardrobe', f'row {TALL}'),
    (3, 'open shelf|bookshelf|open rack', f'row {TALL}|sofa'),
    (3, 'sideboard|chest|filing cabinet', f'row {LOW}|{TALL}|bed'),
    (4, 'closet|tall unit|wardrobe|open shelf|sideboard|chest', ''),
    (1, 'rug', f'under {TABLES}|coffee table|bed|{SOFAS}|desk'),
    (0.7, 'leaning board|standing lamp|large box|suitcase', 'against any'),
    (1, 'whole curtain', ''),
    (2, 'wall unit|wall cabinet', 'row wall unit|wall cabinet'),
    (1, 'wall unit|wall cabinet', ''),
    (2, 'desk|armchair|sofa', ''),
    (2, 'armchair|side table|coffee table|stool', f'against {SOFAS}|bed|desk|sideboard'),
    (2, f'{TABLES}|coffee table', ''),
    (4, CHAIRS, f'around {TABLES}|meeting table|desk'),
    (3, 'curtain', ''),
    (1, 'notice board|whiteboard|framed picture|radiator', ''),
    (3, 'blanket|pillow', f'on bed|bunk bed|{SOFAS}'),
)
# What fills rooms of built-in furniture.
BUILT_IN = (
    (5, 'tall unit|wardrobe|tall unit', f'row {TALL}'),
    (2, 'closet|tall unit', ''),
    (1, 'whole curtain', ''),
    (3, 'curtain', ''),
    (0.5, 'armchair|suitcase|large box', 'against any'),
    (2, 'blanket|pillow', f'on bed|bunk bed|{SOFAS}'),
    (2, CHAIRS, f'around {TABLES}|meeting table|desk'),
    (2, 'hung garment|hung towel|notice board', f'face {TALL}'),
    (1, 'rug', f'under {TABLES}|coffee table|bed|{SOFAS}|desk'),
)
HABITS: dict[str, tuple[tuple[float, str, str], ...]] = {
    'living': (
        (6, 'pillow', f'on {SOFAS}|armchair'),
        (2, 'blanket|clothes heap|toy', f'on {SOFAS}|armchair'),
        (5, 'bottle|bowl|vase|papers|pile|tray|laptop|toy|small plant', f'on {TABLE_TOPS}'),
        (6, 'book row|single books|vase|speaker|small box|toy|framed picture', f'in {SHELVES}'),
        (2, 'vase|small plant|speaker|table lamp|small box|pile', 'on sideboard|chest'),
        (1, 'stool|armchair|pouf|side table', ''),
    ),
    'bedroom': (
        (5, 'pillow', 'on bed|bunk bed'),
        (3, 'blanket|towel|clothes heap|toy', 'on bed|bunk bed'),
        (
            3,
            'desk lamp|bottle|single books|small box|small plant',
            'on nightstand|side table|chest',
        ),
        (3, 'book row|single books|toy|small box', f'in {SHELVES}|bench|wall shelf'),
        (2, 'large box|small box|suitcase', 'on tall unit|wardrobe'),
        (2, 'keyboard|display|laptop|papers|desk lamp|bottle', 'on desk'),
        (1, 'shoes|large box|small box', 'under bed|desk|bench'),
        (1, 'chest|armchair|stool|basket', ''),
    ),
    'office': (
        (4, 'keyboard|tray', 'on desk'),
        (5, 'papers|pile|bottle|desk lamp|laptop|small plant|speaker|display', 'on desk'),
        (3, 'computer|waste bin|large box|backpack', 'under desk'),
        (5, 'book row|small box|single books|pile', f'in {SHELVES}|wall shelf'),
        (2, 'printing machine|pile|small box', 'on filing cabinet|desk'),
        (1, 'filing cabinet|office chair|round table', ''),
    ),
    'kitchen': (
        (
            8,
            'bottle|jar|appliance|bowl|pan|tray|package|microwave|gadget|filled bowl',
            f'on {WORK}',
        ),
        (3, 'bottle|bowl|vase|papers|tray|pan', f'on {TABLE_TOPS}'),
        (2, 'small box|bowl|package|vase', 'on wall unit|refrigerator|tall unit'),
        (3, 'jar|bowl|bottle|pan|small box', f'in {SHELVES}|wall shelf'),
        (1, 'hung towel|wall device', ''),
        (1, 'stool|box|basket', ''),
    ),
    'bath': (
        (4, 'bottle|jar|towel|small box', 'on washing machine|chest|washbasin|bathtub'),
        (3, 'towel|bottle|jar|small box', f'in {SHELVES}'),
        (4, 'hung towel|hung garment', ''),
        (1, 'bottle|jar', 'on toilet'),
        (2, 'basket|waste bin|bucket|stool', 'against any'),
    ),
    'meeting': (
        (6, 'bottle|papers|laptop|tray|bowl|pile|display', 'on meeting table'),
        (2, 'bottle|bowl|appliance|vase|small plant', 'on sideboard|bar counter'),
        (2, 'backpack|handbag|clothes heap', f'on {SEATS}|shell chair'),
        (2, 'book row|small box|vase', f'in {SHELVES}'),
        (2, 'notice board|whiteboard', ''),
        (1, 'shell chair|office chair|round table', ''),
    ),
}
# What nearly every large thing carries: classes or names, kinds, least and most.
DRESSED = (
    (('desk',), 'display|display|keyboard|laptop|papers|small box|desk lamp|pile', 2, 6),
    (
        ('table', 'counter'),
        'papers|bottle|bowl|tray|laptop|vase|small box|gadget|filled bowl|table plant|towel',
        2,
        5,
    ),
    (('bed', 'sofa'), 'pillow|blanket|pillow|clothes heap|blanket|toy', 2, 6),
    (('chair',), 'clothes heap|garment|pillow|backpack|garment', 0, 3),
    (('bookshelf',), 'book row|book row|small box|single books|speaker|vase', 3, 8),
    (('cabinet', 'refrigerator'), 'large box|suitcase|small box|crate|large box', 1, 4),
    (
        ('tall unit', 'closet', 'wardrobe', 'refrigerator'),
        'hung garment|hung towel|hung garment|notice board',
        0,
        1,
    ),
    (('window',), 'small plant|bottle|vase|jar|toy|single books|small box', 1, 4),
    (('radiator', 'bench', 'washing machine'), 'towel|clothes heap|small box|garment', 1, 2),
    (('large box', 'crate', 'pouf', 'suitcase'), 'large box|clothes heap|small box', 0, 2),
)
# What arrives between visits.
ARRIVALS = (
    'large box|small box|crate|backpack|handbag|sack|shoes|bottle|vase|pile|papers|toy|pillow|'
    'clothes heap|standing lamp|waste bin|stool|armchair|side table|small plant|package|'
    'leaning board|hung garment|suitcase|basket|gadget|filled basket|upright thing|potted plant|'
    'table plant|round thing|roll|ladder|wheeled thing'
)
