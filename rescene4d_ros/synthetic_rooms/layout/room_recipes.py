"""What rooms hold: recipes of furniture by kind of room."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """
    Hold one line of a recipe.

    Attributes
    ----------
    makers : str
        Names of the catalog, one of which is drawn.
    low, high : int
        How many, at most `high` and both inclusive.
    near : str
        'on X', 'around X', 'front X' or 'beside X', X being makers of an earlier step.

    """

    makers: str
    low: int
    high: int
    near: str = ''


TABLES = 'dining table|round table'
CHAIRS = 'dining chair|shell chair'
SOFAS = 'sofa|corner sofa'
RECIPES: dict[str, tuple[Step, ...]] = {
    'living': (
        Step(SOFAS, 1, 2),
        Step('sideboard|chest', 1, 1),
        Step('coffee table', 0, 1, f'front {SOFAS}'),
        Step('television', 0, 1, 'on sideboard|chest'),
        Step('bookshelf|open rack', 0, 2),
        Step('curtain', 1, 2),
        Step('armchair', 0, 2),
        Step('picture', 0, 3),
        Step(TABLES, 0, 1),
        Step(CHAIRS, 2, 4, f'around {TABLES}'),
        Step('floor lamp', 0, 1),
        Step('side table', 0, 1, f'beside {SOFAS}'),
        Step('table lamp', 0, 1, 'on side table'),
        Step('plant', 0, 2),
        Step('small plant|pot', 0, 2, f'on coffee table|{TABLES}'),
        Step('box|bag|basket|stool', 0, 3),
        Step('radiator', 0, 1),
        Step('laptop', 0, 1, f'on {TABLES}'),
    ),
    'bedroom': (
        Step('bed|bed|bunk bed', 1, 1),
        Step('nightstand|side table', 0, 2, 'beside bed|bed|bunk bed'),
        Step('wardrobe', 1, 2),
        Step('curtain', 1, 2),
        Step('desk', 0, 1),
        Step('office chair|dining chair', 1, 1, 'around desk'),
        Step('chest', 0, 1),
        Step('table lamp', 0, 2, 'on nightstand|side table'),
        Step('picture', 0, 3),
        Step('laptop|monitor', 0, 1, 'on desk'),
        Step('bookshelf', 0, 1),
        Step('television|small plant|pot', 0, 1, 'on chest'),
        Step('plant|floor lamp|fan', 0, 1),
        Step('bag|suitcase|basket|box', 0, 3),
        Step('armchair|stool', 0, 1),
        Step('radiator', 0, 1),
    ),
    'office': (
        Step('desk', 1, 4),
        Step('office chair', 1, 4, 'around desk'),
        Step('monitor', 1, 4, 'on desk'),
        Step('bookshelf|open rack', 0, 2),
        Step('filing cabinet', 0, 3),
        Step('curtain', 0, 1),
        Step('locker|wardrobe', 0, 1),
        Step('bin', 0, 2),
        Step('printer', 0, 1, 'on filing cabinet|desk'),
        Step('whiteboard|picture', 0, 2),
        Step('plant', 0, 2),
        Step('laptop', 0, 2, 'on desk'),
        Step('box|bag|suitcase', 0, 3),
        Step('small plant|table lamp|pot', 0, 2, 'on desk'),
        Step(CHAIRS, 0, 2),
        Step('round table|side table', 0, 1),
    ),
    'kitchen': (
        Step('counter', 1, 1),
        Step('kitchen sink', 1, 1, 'slot counter'),
        Step('refrigerator', 1, 1),
        Step('wall cabinet', 1, 3),
        Step(TABLES, 0, 1),
        Step(CHAIRS, 2, 4, f'around {TABLES}'),
        Step('microwave', 0, 1, 'on counter'),
        Step('pot|small plant', 0, 2, 'on counter'),
        Step('bin', 0, 1),
        Step('counter|bar counter', 0, 1),
        Step('pot|small plant', 0, 1, f'on {TABLES}'),
        Step('picture', 0, 2),
        Step('sideboard|open rack|wardrobe', 0, 1),
        Step('curtain', 0, 1),
        Step('box|bag|basket|stool|plant', 0, 2),
        Step('radiator', 0, 1),
    ),
    'bath': (
        Step('bathtub', 1, 1),
        Step('shower curtain', 1, 1, 'tub bathtub'),
        Step('toilet', 1, 1),
        Step('washbasin', 1, 2),
        Step('picture', 0, 1),
        Step('wall cabinet', 0, 1),
        Step('chest|sideboard|open rack|nightstand', 0, 1),
        Step('bin', 0, 1),
        Step('basket', 0, 1),
        Step('curtain', 0, 1),
        Step('stool|box|plant', 0, 1),
        Step('radiator', 0, 1),
    ),
    'meeting': (
        Step('meeting table', 1, 1),
        Step('office chair|shell chair|dining chair', 4, 10, 'around meeting table'),
        Step('whiteboard', 0, 1),
        Step('sideboard', 0, 1),
        Step('television', 0, 1, 'on sideboard'),
        Step('laptop', 0, 3, 'on meeting table'),
        Step('picture', 0, 3),
        Step('curtain', 0, 2),
        Step('plant', 0, 2),
        Step('bin', 0, 1),
        Step('bag|suitcase|box', 0, 2),
        Step('bar counter', 0, 1),
        Step('bookshelf', 0, 1),
        Step('radiator', 0, 1),
    ),
}
# More of these where a room is to be crowded.
EXTRAS = {
    'living': 'armchair|side table|plant|bookshelf|picture|dining chair|floor lamp|sideboard|'
    'round table|box',
    'bedroom': 'chest|nightstand|picture|bed|armchair|bookshelf|side table|box|bag|dining chair',
    'office': 'desk|office chair|shell chair|filing cabinet|bookshelf|locker|bin|box|round table',
    'kitchen': 'dining chair|round table|open rack|sideboard|box|bin|picture|shell chair',
    'bath': 'basket|washbasin|picture|nightstand|bin|toilet|stool',
    'meeting': 'shell chair|office chair|round table|picture|bookshelf|sideboard|box|plant',
}
