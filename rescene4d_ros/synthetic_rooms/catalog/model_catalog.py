"""The catalog of furniture models: which there are, in which split, and one drawn by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rescene4d_ros.structures import INSTANCE_CLASSES
from rescene4d_ros.synthetic_rooms.catalog.item import Item
from rescene4d_ros.synthetic_rooms.catalog.kinds import EXCLUDED
from rescene4d_ros.synthetic_rooms.catalog.prepare import prepare
from rescene4d_ros.synthetic_rooms.catalog.reviewed_table import reviewed
from rescene4d_ros.synthetic_rooms.catalog.sh3f import Entry, read_library
from rescene4d_ros.synthetic_rooms.furniture.makers import CATALOG as MAKERS
from rescene4d_ros.synthetic_rooms.furniture.makers import draw as make_parametric
from rescene4d_ros.synthetic_rooms.furniture.model import Draw, Model
from rescene4d_ros.synthetic_rooms.furniture.split import SPLITS

# Where Debian's package sweethome3d-furniture puts its libraries.
APT_FOLDER = Path('/usr/share/sweethome3d/furniture')
# Trim that parametric doors and windows have around the hole, per class: width, height (m).
_TRIM = {'door': (0.08, 0.045), 'window': (0.09, 0.07)}


@dataclass(frozen=True)
class Catalog:
    """
    Hold the usable models of all libraries in a folder.

    Attributes
    ----------
    items : tuple of Item
        In the order of their ids.
    unmapped : tuple of Entry
        Neither in the reviewed table nor matched by a rule.
    excluded : int
        How many were left out on purpose: people, vehicles, plants of gardens, cutlery.
    note : str
        One sentence for people: what was found where.
    cache : Path or None
        Folder of prepared meshes.

    """

    items: tuple[Item, ...] = ()
    unmapped: tuple[Entry, ...] = ()
    excluded: int = 0
    note: str = 'no catalog: parametric furniture only'
    cache: Path | None = None
    _held: dict[str, Model] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def open(assets: Path | None = None, cache: Path | None = None) -> Catalog:
        """
        Read the lists of all libraries; models are read when drawn.

        Parameters
        ----------
        assets : Path, optional
            Folder with `.sh3f` files, or one such file; None looks where apt installs them.
        cache : Path, optional
            Folder for prepared meshes, made when needed.

        Returns
        -------
        Catalog
            Empty where there are no libraries; `note` says so.

        Raises
        ------
        FileFormatError
            A library is damaged.

        """
        place = APT_FOLDER if assets is None else Path(assets)
        libraries = [place] if place.is_file() else sorted(place.rglob('*.sh3f'))
        if not libraries:
            return Catalog(
                note=f'no .sh3f libraries in {place}: parametric furniture only; for '
                '3D models install the Debian package sweethome3d-furniture'
            )
        return _sorted_out(
            [e for path in libraries for e in read_library(path)],
            cache,
            f'{len(libraries)} libraries in {place}',
        )

    def of(self, makers: str, split: str) -> list[Item]:
        """Return the models of the kinds 'a|b' in a split."""
        wanted = set(makers.split('|'))
        return [i for i in self.items if i.kind in wanted and i.split == split]

    def model(self, item: Item) -> Model:
        """Return a prepared model; from memory or the cache where it is there."""
        name = item.entry.model_id
        if name not in self._held:
            self._held[name] = prepare(item.entry, item.kind, item.turn, self.cache)
        return self._held[name]

    def prepare_all(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Fill the cache; `progress` is called with how many of how many models are ready."""
        for k, item in enumerate(self.items, start=1):
            self.model(item)
            if progress is not None:
                progress(k, len(self.items))

    def source(
        self, split: str = 'train', share: float = 0.7, rest: Draw = make_parametric
    ) -> Draw:
        """
        Return a function to be used in place of `furniture.draw`, which it falls back to.

        Kinds without a parametric maker may stand beside those that have one ('bin|appliance').
        Without libraries the rooms are, seed by seed, those of `rest`.

        Parameters
        ----------
        split : str
            'train', 'val' or 'test'.
        share : float
            Chance of a catalog model where there is one.
        rest : callable
            Gives what the catalog does not; `furniture.draw_of` keeps that apart by split too.

        """

        def draw(makers: str, rng: np.random.Generator) -> Model:
            model = self.draw(makers, rng, split, share) if self.items else None
            known = '|'.join(m for m in makers.split('|') if m in MAKERS)
            return rest(known, rng) if model is None else model

        return draw

    def draw(
        self, makers: str, rng: np.random.Generator, split: str = 'train', share: float = 1.0
    ) -> Model | None:
        """
        Draw a model of the kinds 'a|b', or None where a parametric one is to be made.

        Parameters
        ----------
        makers : str
            As for `furniture.draw`; each kind is as likely as there.
        rng : Generator
            The same state gives the same model, on every machine with the same libraries.
        split : str
            'train', 'val' or 'test'.
        share : float
            Chance of a catalog model where there is one; the rest is parametric.

        """
        choices = makers.split('|')
        found = self.of(choices[int(rng.integers(len(choices)))], split)
        if not found or rng.random() >= share:
            return None
        return self.model(found[int(rng.integers(len(found)))])

    def opening(
        self,
        kind: str,
        rng: np.random.Generator,
        width: float,
        height: float,
        wall: float,
        split: str = 'train',
        share: float = 1.0,
    ) -> Model | None:
        """
        Draw a door or window stretched into a hole, or None; frame as of `openings.door`.

        Parameters
        ----------
        kind : str
            'door' or 'window'.
        rng : Generator
        width, height : float, m
            Of the hole.
        wall : float, m
            Thickness of the wall; the model's origin is in its middle plane.
        split, share
            As for `draw`.

        """
        found = self.of(kind, split)
        if not found or rng.random() >= share:
            return None
        item = found[int(rng.integers(len(found)))]
        model = self.model(item)
        back, front = item.entry.wall
        # Handles and sashes are not stretched beyond what a real one could be.
        deep = float(np.clip(wall / max(front - back, 0.01), 0.6, 1.6))
        scale = np.array([width / model.size[0], deep, height / model.size[2]])
        middle = np.array([0, (back + front) / 2 - model.size[1] / 2, 0])
        parts = tuple(replace(p, vertices=(p.vertices - middle) * scale) for p in model.parts)
        trim = _TRIM[kind]
        return replace(
            model, parts=parts, size=(width + trim[0], model.size[1] * deep, height + trim[1])
        )

    def counts(self) -> dict[str, dict[str, tuple[int, int]]]:
        """Return class -> split -> (models, families); classes without models included."""
        table = {}
        for name in INSTANCE_CLASSES:
            mine = [i for i in self.items if i.class_name == name]
            table[name] = {
                s: (sum(i.split == s for i in mine), len({i.family for i in mine if i.split == s}))
                for s in SPLITS
            }
        return table

    def thin(self, families: int = 3) -> list[str]:
        """Return 'class (split)' where fewer than `families` different ones are."""
        return [
            f'{name} ({split}: {have[1]})'
            for name, row in self.counts().items()
            for split, have in row.items()
            if have[1] < families
        ]


def _sorted_out(entries: Iterable[Entry], cache: Path | None, where: str) -> Catalog:
    """Give every entry its kind, or count why not."""
    items, unmapped, excluded = [], [], 0
    for entry in sorted(entries, key=lambda e: e.model_id):
        row = reviewed(entry.model_id, entry.name, entry.category)
        if row.kind == EXCLUDED:
            excluded += 1
        elif row.kind:
            items.append(Item(entry, row.kind, row.family, row.turn))
        else:
            unmapped.append(entry)
    note = (
        f'{len(items)} furniture models of {len({i.family for i in items})} families from '
        f'{where}; {excluded} excluded, {len(unmapped)} unmapped'
    )
    return Catalog(tuple(items), tuple(unmapped), excluded, note, cache)
