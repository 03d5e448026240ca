"""Furniture models from libraries: a tiny library written here, and the real one where it is."""

import zipfile

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.structures import INSTANCE_CLASSES
from rescene4d_ros.synthetic_rooms.catalog import APT_FOLDER, Catalog, SPLITS
from rescene4d_ros.synthetic_rooms.catalog.item import split_of
from rescene4d_ros.synthetic_rooms.catalog.kinds import EXCLUDED, KINDS
from rescene4d_ros.synthetic_rooms.catalog.picture import render
from rescene4d_ros.synthetic_rooms.catalog.report import credit_list, summary
from rescene4d_ros.synthetic_rooms.catalog.reviewed_table import reviewed
from rescene4d_ros.synthetic_rooms.catalog.shape import load_shape, simplified
from rescene4d_ros.synthetic_rooms.config import RoomsConfig
from rescene4d_ros.synthetic_rooms.furniture import draw as make
from rescene4d_ros.synthetic_rooms.furniture.openings import door as parametric_door
from rescene4d_ros.synthetic_rooms.life import make_life

CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
QUADS = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
RED, BLUE, GRAY = (0.9, 0.1, 0.1), (0.1, 0.1, 0.9), (0.5, 0.5, 0.5)
# Unlike metres on purpose: the list's sizes count, not the file's units.
INCHES = 39.37


class ObjFile:
    """Write boxes as an OBJ file with its materials, y up, front at +z."""

    def __init__(self, name):
        self.lines, self.materials, self.vertices = [f'mtllib {name}.mtl'], {}, 0
        self.lines += ['vt 0 0', 'vt 1 0', 'vt 1 1', 'vt 0 1']

    def box(self, low, high, material, color, extra=''):
        self.materials[material] = 'Kd {} {} {}\n'.format(*color) + extra
        low, high = np.asarray(low) * INCHES, np.asarray(high) * INCHES
        self.lines += ['v {} {} {}'.format(*(low + c * (high - low))) for c in CORNERS]
        self.lines.append(f'usemtl {material}')
        for quad in QUADS:
            self.lines.append(
                'f ' + ' '.join(f'{self.vertices + i + 1}/{k + 1}' for k, i in enumerate(quad))
            )
        self.vertices += 8
        return self

    def text(self):
        return '\n'.join(self.lines) + '\n'

    def material_text(self):
        return ''.join(f'newmtl {k}\n{v}\n' for k, v in self.materials.items())


def chair():
    """Return a chair 40 x 50 x 90 cm: its own right half of the seat blue, its left half red."""
    return (
        ObjFile('chair')
        .box((-0.2, 0, -0.25), (0, 0.45, 0.25), 'one', BLUE)
        .box((0, 0, -0.25), (0.2, 0.45, 0.25), 'two', RED)
        .box((-0.2, 0.45, -0.25), (0.2, 0.9, -0.2), 'back', GRAY)
    )


def table():
    """Return a table 120 x 80 x 75 cm whose plate has a picture, green and yellow."""
    made = ObjFile('table').box(
        (-0.6, 0.7, -0.4), (0.6, 0.75, 0.4), 'plate', GRAY, 'map_Kd plate.png\n'
    )
    for x in (-0.58, 0.52):
        for z in (-0.38, 0.32):
            made.box((x, 0, z), (x + 0.06, 0.7, z + 0.06), 'leg', GRAY)
    return made


CHAIR = ('chair', chair, 'Chair', (40, 50, 90), '')
TABLE = ('table', table, 'Table', (120, 80, 75), 'dropOnTopElevation#{n}=75\n')


def write_library(path, models=(CHAIR, TABLE)):
    """Write a `.sh3f` file of (file name, maker, English name, size in cm, more keys)."""
    picture = Image.new('RGB', (64, 64), (0, 200, 0))
    picture.paste((230, 220, 0), (32, 0, 64, 64))
    listed = 'id=Test\nlicense=CC-BY 3.0\n'
    with zipfile.ZipFile(path, 'w') as library:
        for n, (name, maker, words, size, extra) in enumerate(models, start=1):
            made = maker()
            library.writestr(f'm/{name}/{name}.obj', made.text())
            library.writestr(f'm/{name}/{name}.mtl', made.material_text())
            with library.open(f'm/{name}/plate.png', 'w') as file:
                picture.save(file, 'PNG')
            listed += (
                f'id#{n}=Test#{name}\nname#{n}={words}\ncategory#{n}=Living room\n'
                f'model#{n}=/m/{name}/{name}.obj\nwidth#{n}={size[0]}\n'
                f'depth#{n}={size[1]}\nheight#{n}={size[2]}\ncreator#{n}=An\\u00efs\n'
                + extra.format(n=n)
            )
        library.writestr('PluginFurnitureCatalog.properties', listed)
    return path


@pytest.fixture
def catalog(tmp_path):
    """Return a catalog of one chair and one table."""
    write_library(tmp_path / 'tiny.sh3f')
    return Catalog.open(tmp_path, tmp_path / 'cache')


def model_of(catalog, name):
    """Return a prepared model by the last part of its id."""
    return catalog.model(next(i for i in catalog.items if i.entry.model_id == f'Test#{name}'))


def triangles_of(model, near):
    """Return the (F, 3, 3) triangles whose material is close to a color."""
    parts = [p for p in model.parts if np.abs(np.array(p.material.color) - near).max() < 0.12]
    return np.concatenate([p.vertices[p.faces] for p in parts])


def points_of(model, near):
    """Return the corners of all triangles whose material is close to a color."""
    return triangles_of(model, near).reshape(-1, 3)


def test_models_have_the_listed_size_and_stand_on_their_origin(catalog):
    for name, size in (('chair', (0.4, 0.5, 0.9)), ('table', (1.2, 0.8, 0.75))):
        model = model_of(catalog, name)
        every = np.concatenate([p.vertices for p in model.parts])
        np.testing.assert_allclose(model.size, size, atol=1e-5)
        np.testing.assert_allclose(every.min(axis=0), [-size[0] / 2, -size[1] / 2, 0], atol=1e-5)
        np.testing.assert_allclose(
            every.max(axis=0), [size[0] / 2, size[1] / 2, size[2]], atol=1e-5
        )
    assert model_of(catalog, 'chair').class_name == 'chair'
    assert model_of(catalog, 'table').class_name == 'table'


def test_back_is_at_minus_y_and_nothing_is_mirrored(catalog):
    model = model_of(catalog, 'chair')
    back = points_of(model, GRAY)
    assert back[:, 1].max() < -0.19
    assert back[:, 2].min() > 0.44
    # Who sits there looks along +y and has +x at the right hand; the file's +x is the left hand.
    assert points_of(model, RED)[:, 0].max() < 1e-6
    assert points_of(model, BLUE)[:, 0].min() > -1e-6


def test_texture_becomes_colors_of_triangles(catalog):
    model = model_of(catalog, 'table')
    assert sum(len(p.faces) for p in model.parts) <= 3000
    for color, front in (((0, 0.78, 0), -1), ((0.9, 0.86, 0), 1)):
        triangles = triangles_of(model, color)
        assert triangles[..., 2].min() > 0.69
        on_top = triangles[triangles[..., 2].min(axis=1) > 0.7499]
        area = np.cross(on_top[:, 1] - on_top[:, 0], on_top[:, 2] - on_top[:, 0])[:, 2]
        # The picture lies across the plate: its left half at the back, its right half in front.
        assert abs(np.abs(area).sum() / 2 - 0.48) < 0.04
        assert (on_top.mean(axis=1)[:, 1] * front).min() > -0.02


def test_plate_of_the_table_is_where_things_stand(catalog):
    (top,) = model_of(catalog, 'table').tops
    np.testing.assert_allclose([*top.x, *top.y, top.z], [-0.6, 0.6, -0.4, 0.4, 0.75], atol=0.031)
    assert model_of(catalog, 'chair').tops == ()


def test_rotation_of_the_list_gives_the_upright_twin(tmp_path):
    def lying():
        made = chair()
        # Turned by -90 deg about x: (x, y, z) -> (x, z, -y); the list turns it back.
        for k, line in enumerate(made.lines):
            if line.startswith('v '):
                x, y, z = map(float, line.split()[1:])
                made.lines[k] = f'v {x} {z} {-y}'
        return made

    turn = 'modelRotation#{n}=1 0 0 0 0 -1 0 1 0\n'
    catalog = Catalog.open(
        write_library(
            tmp_path / 'twins.sh3f', (CHAIR, ('lying', lying, 'Chair', (40, 50, 90), turn))
        )
    )
    upright, turned = model_of(catalog, 'chair'), model_of(catalog, 'lying')
    for color in (RED, BLUE, GRAY):
        a, b = points_of(upright, color), points_of(turned, color)
        np.testing.assert_allclose(a.min(axis=0), b.min(axis=0), atol=1e-5)
        np.testing.assert_allclose(a.max(axis=0), b.max(axis=0), atol=1e-5)


def test_dense_models_are_thinned_without_leaving_their_surface(tmp_path):
    rows, columns = 80, 160
    polar, around = np.meshgrid(
        np.linspace(0.02, np.pi - 0.02, rows),
        np.linspace(0, 2 * np.pi, columns, endpoint=False),
        indexing='ij',
    )
    sphere = np.stack(
        [np.sin(polar) * np.cos(around), np.cos(polar), np.sin(polar) * np.sin(around)], axis=2
    ).reshape(-1, 3)
    lines = ['v {} {} {}'.format(*p) for p in sphere]
    for r in range(rows - 1):
        for c in range(columns):
            a, b = r * columns + c + 1, r * columns + (c + 1) % columns + 1
            lines.append(f'f {a} {b} {b + columns} {a + columns}')
    (tmp_path / 'ball.obj').write_text('\n'.join(lines) + '\n')
    shape = load_shape(tmp_path / 'ball.obj', np.eye(3), (2.0, 2.0, 2.0))
    assert len(shape.faces) > 25000
    vertices, faces = simplified(shape, 2000)
    assert 1500 < len(faces) <= 2010
    middle = vertices[faces].mean(axis=1) - (0, 0, 1)
    assert np.abs(np.linalg.norm(middle, axis=1) - 1).max() < 0.02


def test_without_libraries_the_catalog_is_empty_and_says_so(tmp_path):
    empty = Catalog.open(tmp_path)
    assert empty.items == ()
    assert 'sweethome3d-furniture' in empty.note
    assert empty.draw('sofa|dining chair', np.random.default_rng(0)) is None
    assert empty.opening('door', np.random.default_rng(0), 0.9, 2.0, 0.15) is None
    assert empty.note in summary(empty)


def test_cache_serves_without_the_library_and_heals(tmp_path, catalog):
    first = model_of(catalog, 'table')
    (tmp_path / 'tiny.sh3f').rename(tmp_path / 'away')
    again = Catalog(catalog.items, cache=catalog.cache)
    second = model_of(again, 'table')
    assert [p.material for p in first.parts] == [p.material for p in second.parts]
    for a, b in zip(first.parts, second.parts, strict=True):
        np.testing.assert_array_equal(a.vertices[a.faces], b.vertices[b.faces])
    (tmp_path / 'away').rename(tmp_path / 'tiny.sh3f')
    (stored,) = (tmp_path / 'cache').glob('*table*.npz')
    stored.write_bytes(stored.read_bytes()[:100])
    healed = model_of(Catalog(catalog.items, cache=catalog.cache), 'table')
    assert healed.size == first.size
    assert not list((tmp_path / 'cache').glob('*.part'))


@pytest.mark.parametrize('harm', ['truncated', 'no list', 'no width', 'no model'])
def test_damaged_libraries_are_refused_with_their_name(tmp_path, harm):
    path = write_library(tmp_path / 'harmed.sh3f')
    content = path.read_bytes()
    if harm == 'truncated':
        path.write_bytes(content[: len(content) // 2])
    else:
        with zipfile.ZipFile(path) as old:
            files = {n: old.read(n) for n in old.namelist()}
        name = 'PluginFurnitureCatalog.properties'
        if harm == 'no list':
            del files[name]
        elif harm == 'no width':
            files[name] = files[name].replace(b'width#1=40', b'')
        else:
            del files['m/chair/chair.obj']
        with zipfile.ZipFile(path, 'w') as new:
            for n, data in files.items():
                new.writestr(n, data)
    with pytest.raises(FileFormatError, match=r'harmed\.sh3f'):
        Catalog.open(tmp_path)


def test_model_without_triangles_is_refused(tmp_path):
    (tmp_path / 'nothing.obj').write_text('v 0 0 0\n')
    with pytest.raises(FileFormatError, match='triangles'):
        load_shape(tmp_path / 'nothing.obj', np.eye(3), (1.0, 1.0, 1.0))


def test_draw_repeats_by_seed_and_keeps_its_split(catalog):
    for item in catalog.items:
        for split in SPLITS:
            drawn = catalog.draw(item.kind, np.random.default_rng(3), split)
            assert (drawn is not None) == (split == item.split)
    kinds = '|'.join(sorted({i.kind for i in catalog.items}))
    one, two = (np.random.default_rng(8) for _ in range(2))
    split = catalog.items[0].split
    sizes = [
        [getattr(catalog.draw(kinds, rng, split), 'size', None) for _ in range(20)]
        for rng in (one, two)
    ]
    assert sizes[0] == sizes[1]
    assert catalog.draw(kinds, one, split, share=0.0) is None


def test_source_stands_in_for_the_parametric_makers(tmp_path, catalog):
    split = catalog.items[0].split
    kind = catalog.items[0].kind
    always = catalog.source(split, share=1.0)
    assert always(kind, np.random.default_rng(0)).size == catalog.model(catalog.items[0]).size
    assert always('bin', np.random.default_rng(0)).class_name == 'otherfurniture'
    assert always('appliance|bin', np.random.default_rng(0)).name == 'bin'
    empty = Catalog.open(tmp_path / 'cache').source()
    for makers in ('sofa|armchair', 'desk', 'bed|bunk bed'):
        one, two = empty(makers, np.random.default_rng(5)), make(makers, np.random.default_rng(5))
        assert one.size == two.size
        assert [p.material for p in one.parts] == [p.material for p in two.parts]


def test_rooms_are_furnished_from_the_catalog(tmp_path, catalog):
    """Its chairs and tables stand in the rooms; an empty catalog changes nothing."""
    config = RoomsConfig(room_type='meeting', visits=1)
    names = {
        p.model.name for p in make_life(4, config, catalog.source(share=1.0)).visits[0].values()
    }
    assert names & {model_of(catalog, 'chair').name, model_of(catalog, 'table').name}
    (tmp_path / 'none').mkdir()
    empty = make_life(4, config, Catalog.open(tmp_path / 'none').source())
    plain = make_life(4, config)
    assert [(p.model.name, p.x, p.y) for p in empty.visits[0].values()] == [
        (p.model.name, p.x, p.y) for p in plain.visits[0].values()
    ]


def test_door_fills_its_hole_like_a_parametric_one(tmp_path):
    def leaf():
        return (
            ObjFile('leaf')
            .box((-0.5, 0, -0.05), (0.5, 2.0, 0.05), 'one', BLUE)
            .box((0.3, 1.0, 0.05), (0.4, 1.05, 0.15), 'handle', GRAY)
        )

    wall = 'doorOrWindow#{n}=true\ndoorOrWindowWallThickness#{n}=10\n'
    catalog = Catalog.open(
        write_library(
            tmp_path / 'doors.sh3f', (('leaf', leaf, 'Front door', (100, 20, 200), wall),)
        )
    )
    split = catalog.items[0].split
    made = catalog.opening('door', np.random.default_rng(0), 0.85, 2.05, 0.12, split)
    twin = parametric_door(np.random.default_rng(0), 0.85, 2.05, 0.12)
    assert (made.place, made.class_id) == (twin.place, twin.class_id)
    # The room cuts its hole from these two.
    assert made.size[0] == pytest.approx(twin.size[0], abs=0.005)
    assert made.size[2] == pytest.approx(twin.size[2], abs=0.005)
    every = np.concatenate([p.vertices for p in made.parts])
    np.testing.assert_allclose(
        [*every.min(axis=0), *every.max(axis=0)], [-0.425, -0.06, 0, 0.425, 0.18, 2.05], atol=1e-4
    )


def test_picture_shows_front_and_sides_where_they_are(catalog):
    picture = render(model_of(catalog, 'chair'), 120, azimuth=0.0, elevation=10.0).astype(int)
    red = (picture[..., 0] - picture[..., 2]) > 60
    blue = (picture[..., 2] - picture[..., 0]) > 60
    gray = np.abs(picture - picture.mean(axis=2, keepdims=True)).max(axis=2) < 3
    assert min(red.sum(), blue.sum()) > 100
    # The eye looks at the chair's face: its left half (red) is at the right of the picture.
    assert np.nonzero(red)[1].min() >= np.nonzero(blue)[1].max() - 1
    assert gray[: np.nonzero(red)[0].min()].sum() > 100


def test_credits_name_every_author(catalog):
    text = credit_list(catalog)
    assert text.count('Anïs') == 2
    assert 'CC-BY 3.0' in text
    assert 'Test#chair' in summary(Catalog(unmapped=tuple(i.entry for i in catalog.items)))


def test_every_reviewed_row_is_usable_and_classes_reach_every_split():
    from rescene4d_ros.synthetic_rooms.catalog.reviewed_table import _table

    rows = [row for row in _table().values() if row.kind != EXCLUDED]
    assert len(rows) > 300
    assert {KINDS[r.kind].class_name for r in rows} <= set(INSTANCE_CLASSES)
    many = {
        'cabinet',
        'bed',
        'chair',
        'sofa',
        'table',
        'door',
        'window',
        'bookshelf',
        'desk',
        'sink',
        'otherfurniture',
    }
    for split in SPLITS:
        have = {KINDS[r.kind].class_name for r in rows if split_of(r.family) == split}
        assert many <= have, split
    families = {}
    for row in rows:
        families.setdefault(row.family, set()).add(split_of(row.family))
    assert all(len(splits) == 1 for splits in families.values())


@given(st.sampled_from(['white', 'Red', 'left', 'big']), st.integers(1, 99))
def test_variants_of_an_unknown_design_are_one_family(word, number):
    names = ('Lib#sofa', f'Lib#sofa_{word}', f'Lib#sofa-{number}', f'Lib#sofa{number}_{word}')
    rows = [reviewed(n, 'Sofa', 'Living room') for n in names]
    assert {r.family for r in rows} == {'lib#sofa'}
    assert {r.kind for r in rows} == {'sofa'}


@pytest.mark.parametrize(
    ('name', 'category', 'kind'),
    [
        ('Shower curtain', 'Bathroom', 'shower curtain'),
        ('Corner sofa', 'Living', 'corner sofa'),
        ('Bedside table', 'Bedroom', 'nightstand'),
        ('Bed', 'Bedroom', 'bed'),
        ('Table lamp', 'Lights', 'table lamp'),
        ('Pine', 'Exterior', EXCLUDED),
        ('Sedan', 'Vehicles', EXCLUDED),
        ('Kitchen hood', 'Kitchen', EXCLUDED),
        ('Astrolabe', 'Miscellaneous', ''),
    ],
)
def test_rules_find_the_kind_of_unknown_models(name, category, kind):
    assert reviewed('Lib#x', name, category).kind == kind


@pytest.mark.skipif(
    not list(APT_FOLDER.glob('*.sh3f')),
    reason='Debian package sweethome3d-furniture is not installed',
)
def test_real_libraries_are_all_known_and_their_models_have_real_sizes(tmp_path):
    catalog = Catalog.open(cache=tmp_path)
    assert len(catalog.items) > 300
    assert catalog.unmapped == ()
    assert {c for c, row in catalog.counts().items() if not sum(n for n, _ in row.values())} == {
        'picture'
    }
    for name in ('Scopia#bed1', 'Blend Swap CC-0#oakChair', 'Kator Legaz#fridge'):
        item = next(i for i in catalog.items if i.entry.model_id == name)
        model = catalog.model(item)
        np.testing.assert_allclose(model.size, item.entry.size, atol=0.02)
        assert 50 < sum(len(p.faces) for p in model.parts) <= 3000
        # A bed's head and a chair's back are the highest parts, and at the back.
        high = np.concatenate([p.vertices for p in model.parts])
        high = high[high[:, 2] > 0.9 * model.size[2]]
        if name != 'Kator Legaz#fridge':
            assert high[:, 1].mean() < -0.15 * model.size[1]
