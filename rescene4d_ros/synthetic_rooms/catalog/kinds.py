"""What kinds of furniture a catalog can hold, and the rules that find the kind of a new model."""

from __future__ import annotations

from dataclasses import dataclass
import re

EXCLUDED = '-'


@dataclass(frozen=True)
class Kind:
    """
    Hold how models of one kind stand in a room.

    Attributes
    ----------
    class_name : str
        One of INSTANCE_CLASSES.
    place, front, symmetric, liveliness
        As in `furniture.Model`.
    carries : bool
        Whether small things may stand on it.

    """

    class_name: str
    place: str
    liveliness: float = 1.0
    front: float = 0.0
    carries: bool = False
    symmetric: bool = False


# The names are those of the parametric makers, so that a recipe finds both; 'base unit',
# 'appliance', 'piano' and 'stand' have no parametric twin.
KINDS = {
    'dining chair': Kind('chair', 'around'),
    'shell chair': Kind('chair', 'around'),
    'office chair': Kind('chair', 'around', 1.3),
    'armchair': Kind('chair', 'floor', 0.8, 0.5),
    'sofa': Kind('sofa', 'wall', 0.35, 0.5),
    'corner sofa': Kind('sofa', 'wall', 0.15, 0.3),
    'stool': Kind('otherfurniture', 'floor'),
    'dining table': Kind('table', 'floor', 0.2, carries=True),
    'round table': Kind('table', 'floor', 0.3, carries=True, symmetric=True),
    'coffee table': Kind('table', 'floor', 0.5, carries=True),
    'desk': Kind('desk', 'wall', 0.25, 0.7, carries=True),
    'base unit': Kind('counter', 'wall', 0.0, 0.8, carries=True),
    'bar counter': Kind('counter', 'floor', 0.05, carries=True),
    'wardrobe': Kind('cabinet', 'wall', 0.08, 0.6),
    'sideboard': Kind('cabinet', 'wall', 0.2, 0.5, carries=True),
    'chest': Kind('cabinet', 'wall', 0.2, 0.5, carries=True),
    'filing cabinet': Kind('cabinet', 'wall', 0.5, 0.4, carries=True),
    'nightstand': Kind('cabinet', 'wall', 0.5, carries=True),
    'wall cabinet': Kind('cabinet', 'hang', 0.0),
    'bookshelf': Kind('bookshelf', 'wall', 0.12, 0.4),
    'open rack': Kind('bookshelf', 'wall', 0.15, 0.4),
    'refrigerator': Kind('refrigerator', 'wall', 0.1, 0.7),
    'bed': Kind('bed', 'wall', 0.1, 0.3),
    'bunk bed': Kind('bed', 'wall', 0.05, 0.2),
    'toilet': Kind('toilet', 'wall', 0.0, 0.5),
    'washbasin': Kind('sink', 'wall', 0.0, 0.5),
    'bathtub': Kind('bathtub', 'wall', 0.0, 0.5),
    'shower curtain': Kind('shower curtain', 'tub', 0.0),
    'curtain': Kind('curtain', 'hang', 0.0),
    'door': Kind('door', 'opening', 0.0),
    'window': Kind('window', 'opening', 0.0),
    'television': Kind('otherfurniture', 'top', 0.3),
    'monitor': Kind('otherfurniture', 'top'),
    'laptop': Kind('otherfurniture', 'top', 2.0),
    'table lamp': Kind('otherfurniture', 'top', symmetric=True),
    'floor lamp': Kind('otherfurniture', 'floor'),
    'bin': Kind('otherfurniture', 'floor', 1.3, symmetric=True),
    'box': Kind('otherfurniture', 'floor', 2.0),
    'plant': Kind('otherfurniture', 'floor', 0.6, symmetric=True),
    'small plant': Kind('otherfurniture', 'top', symmetric=True),
    'pot': Kind('otherfurniture', 'top'),
    'bag': Kind('otherfurniture', 'floor', 2.0),
    'suitcase': Kind('otherfurniture', 'floor', 2.0),
    'basket': Kind('otherfurniture', 'floor', 1.5),
    'printer': Kind('otherfurniture', 'top', 0.3),
    'microwave': Kind('otherfurniture', 'top', 0.3),
    'radiator': Kind('otherfurniture', 'hang', 0.0),
    'fan': Kind('otherfurniture', 'floor', 1.5),
    'appliance': Kind('otherfurniture', 'wall', 0.05, 0.6),
    'piano': Kind('otherfurniture', 'wall', 0.05, 0.5),
    'stand': Kind('otherfurniture', 'floor', 0.8),
}

# For models that the reviewed table does not know; the first that matches the name wins.
RULES = (
    (r'\b(staircase|stairs|elevator|escalator|railing|column|fence|garage|skylight)\b', EXCLUDED),
    (
        r'\b(hob|hood|switch|plug|socket|faucet|chandelier|pendant|ceiling|wall (light|lamp))\b',
        EXCLUDED,
    ),
    (r'\bshower curtain', 'shower curtain'),
    (r'\bcurtain', 'curtain'),
    (r'\b(french )?window\b', 'window'),
    (r'\bdoor$', 'door'),
    (r'\b(bunk|loft|mezzanine) bed', 'bunk bed'),
    (r'\b(bedside table|nightstand)', 'nightstand'),
    (r'\b(bed|crib|futon)\b(?!.*(table|couch))', 'bed'),
    (r'\bcorner sofa', 'corner sofa'),
    (r'\b(sofa|couch|settee)\b', 'sofa'),
    (r'\b(office|desk|swivel) chair', 'office chair'),
    (r'\barmchair', 'armchair'),
    (r'\b(stool|ottoman|pouf)\b', 'stool'),
    (r'\bchair\b', 'dining chair'),
    (r'\bcoffee table', 'coffee table'),
    (r'\bround table', 'round table'),
    (r'\b(desk|workbench)\b(?! lamp)', 'desk'),
    (r'\btable\b(?! (lamp|fan|tennis|cloth))', 'dining table'),
    (r'\b(wardrobe|closet|cupboard|armoire)\b', 'wardrobe'),
    (r'\b(dresser|chest)\b', 'chest'),
    (r'\b(upper|wall) cabinet', 'wall cabinet'),
    (r'\bfiling cabinet', 'filing cabinet'),
    (r'\b(lower|kitchen) cabinet', 'base unit'),
    (r'\b(kitchen )?island\b', 'bar counter'),
    (r'\b(sideboard|tv (unit|stand)|cabinet)\b', 'sideboard'),
    (r'\b(bookcase|bookshelf)', 'bookshelf'),
    (r'\bshel(f|ves|ving)\b', 'open rack'),
    (r'\b(fridge|refrigerator)', 'refrigerator'),
    (r'\btoilets? unit|\btoilet$', 'toilet'),
    (r'\b(washbasin|lavatory|sink)\b', 'washbasin'),
    (r'\b(bath|bathtub)\b', 'bathtub'),
    (r'\bradiator', 'radiator'),
    (r'\b(tv|television)\b', 'television'),
    (r'\b(laptop|notebook)\b', 'laptop'),
    (r'\b(trash|dustbin|bin)\b', 'bin'),
    (r'\b(washing machine|washer|dryer|dishwasher|oven|cooker)\b', 'appliance'),
    (r'\bplant\b', 'plant'),
    (r'\blamp\b', 'table lamp'),
    (r'\b(box|crate)\b', 'box'),
)
OUTDOOR = re.compile('exterior|vehicles|characters|staircases|garden', re.IGNORECASE)


def find_kind(name: str, category: str) -> str:
    """Return the kind of a model by its English words, EXCLUDED, or '' where no rule matches."""
    if OUTDOOR.search(category):
        return EXCLUDED
    return next((kind for pattern, kind in RULES if re.search(pattern, name.lower())), '')
