"""Texts about a catalog: what it offers to whom, and whom to thank."""

from __future__ import annotations

from rescene4d_ros.synthetic_rooms.catalog.model_catalog import Catalog, SPLITS


def summary(catalog: Catalog) -> str:
    """Return a table of models and families per class and split, and what is missing."""
    lines = [catalog.note]
    if catalog.items:
        head = f'{"class":16}' + ''.join(f'{s:>14}' for s in SPLITS)
        lines += ['models (families)', head]
        for name, row in catalog.counts().items():
            cells = (f'{row[s][0]} ({row[s][1]})' for s in SPLITS)
            lines.append(f'{name:16}' + ''.join(f'{c:>14}' for c in cells))
        lines.append(
            'fewer than 3 families, parametric furniture fills up: ' + ', '.join(catalog.thin())
        )
    lines += [f'unmapped: {e.model_id} "{e.name}" ({e.category})' for e in catalog.unmapped]
    return '\n'.join(lines) + '\n'


def credit_list(catalog: Catalog) -> str:
    """Return Markdown that names creator and license of every model that may be drawn."""
    lines = [
        '# Authors of the furniture models',
        '',
        'The procedural rooms can hold these models where the libraries are installed. They '
        'are not',
        'part of this repository. Before use they are scaled, simplified and '
        'their textures turned into',
        'colors of triangles.',
        '',
    ]
    by_license: dict[str, list] = {}
    for item in catalog.items:
        by_license.setdefault(item.entry.license, []).append(item)
    for text, items in sorted(by_license.items()):
        lines += [
            f'## {items[0].entry.library.name}: {" ".join(text.split())}',
            '',
            '| model | name | author | class |',
            '|---|---|---|---|',
        ]
        lines += [
            f'| {i.entry.model_id} | {i.entry.name} | {i.entry.creator} | {i.class_name} |'
            for i in items
        ]
        lines.append('')
    return '\n'.join(lines)
