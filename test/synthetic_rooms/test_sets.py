"""Fixed sets: their definitions, what is apart between them, and the comparison with a record."""

import dataclasses
from itertools import combinations
import json

import numpy as np
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.config import make
from rescene4d_ros.data.sequences.cut_sequences import write_cut_sequence
from rescene4d_ros.data.sequences.sequence_file import read_extras, read_sequence, write_sequence
from rescene4d_ros.data.sequences.stored_bytes import stored_bytes
from rescene4d_ros.errors import ConfigError, FileFormatError
from rescene4d_ros.synthetic_rooms import make_sequence, RoomsConfig
from rescene4d_ros.synthetic_rooms.furniture import CATALOG, draw, draw_of, SPLITS
from rescene4d_ros.synthetic_rooms.furniture.split import belongs
from rescene4d_ros.synthetic_rooms.life import make_life
from rescene4d_ros.synthetic_rooms.sets import compare, digest_of, read_record, SETS, write_record

QUICK = {
    'visits': 2,
    'view_width': 64,
    'view_height': 48,
    'views': 6,
    'spacing': 0.05,
    'room_type': 'bath',
}


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """Return the file of a small sequence."""
    path = tmp_path_factory.mktemp('made') / 'room_00000001.npz'
    write_sequence(path, *make_sequence(1, make(RoomsConfig, QUICK)))
    return path


def changed(path, to, name, change):
    """Write a copy of a file in which one array is changed, compressed in another way."""
    with np.load(path) as file:
        arrays = {k: file[k].copy() for k in file.files}
    arrays[name] = change(arrays[name])
    np.savez(to, **arrays)
    return to


def in_header(change):
    """Return a change of the header's JSON as a change of its bytes."""

    def on_bytes(header):
        document = json.loads(header.tobytes())
        change(document)
        return np.frombuffer(json.dumps(document).encode(), np.uint8)

    return on_bytes


def test_sets_are_as_large_and_long_as_promised():
    """Two visits to learn from and be measured on; five and twelve, crowded, for identity."""
    assert list(SETS)[:5] == ['rooms-train', 'rooms-val', 'rooms-test', 'rooms-long', 'rooms-hard']
    assert [len(SETS[f'lifelike-{k}']) for k in ('val', 'test', 'long')] == [60, 120, 24]
    assert len(SETS['lifelike-train']) == 100_000
    assert len(SETS['rooms-test']) >= 100
    assert len(SETS['rooms-long']) >= 30
    for name in ('rooms-train', 'rooms-val', 'rooms-test'):
        assert {c.visits for _, c in SETS[name].sequences()} == {2}
        assert {c.split for _, c in SETS[name].sequences()} == {name.removeprefix('rooms-')}
    long = [c for _, c in SETS['rooms-long'].sequences()]
    assert {c.visits for c in long} == {5, 12}
    assert {c.visits for c in long if c.min_objects > 100} == {5, 12}
    assert all(min(c.p_remove, c.p_return, c.p_swap, c.p_hidden_zone) >= 0.1 for c in long)
    for _, config in SETS['rooms-hard'].sequences():
        assert (config.registration_m, config.registration_deg) == (0.03, 1.0)
        assert config.p_twin == 1
        assert config.p_hidden_zone > 0.5
    for rooms in SETS.values():
        assert sum(1 for _ in rooms.sequences()) == len(rooms)


def test_no_room_is_in_two_sets():
    """Seeds are unique within a set and apart between sets."""
    seeds = {name: [seed for seed, _ in rooms.sequences()] for name, rooms in SETS.items()}
    for mine in seeds.values():
        assert len(set(mine)) == len(mine)
    for one, other in combinations(seeds.values(), 2):
        assert not set(one) & set(other)


def test_no_shape_is_in_two_splits():
    """Between shapes of different splits is a gap, whatever the size."""
    volumes = np.exp(np.random.default_rng(0).uniform(np.log(0.002), np.log(12), 3000))
    owners = [[s for s in SPLITS if belongs((v, 1.0, 1.0), s)] for v in volumes]
    assert max(map(len, owners)) == 1
    by_split = {s: np.sort(volumes[[o == [s] for o in owners]]) for s in SPLITS}
    assert min(map(len, by_split.values())) > 300
    for one, other in combinations(by_split.values(), 2):
        ratio = np.abs(np.log(one[:, None] / other[None])).min()
        assert ratio >= 0.02 - 1e-9
    assert all(belongs((v, 1.0, 1.0), 'any') for v in volumes[:9])


@pytest.mark.parametrize('split', SPLITS)
def test_every_maker_reaches_every_split(split):
    """The same kinds of furniture, other models; without a split nothing changes."""
    source = draw_of(split)
    for maker in CATALOG:
        model = source(maker, np.random.default_rng(3))
        assert belongs(model.size, split)
    assert draw_of('any') is draw


def test_unknown_split_is_refused():
    """With the names that exist."""
    with pytest.raises(ConfigError, match='train, val, test'):
        draw_of('tests')


@pytest.mark.parametrize('split', SPLITS)
def test_whole_rooms_keep_to_their_split(split):
    """Doors and windows too, and curtains, which are made to measure."""
    curtains = 0
    for seed in range(6):
        life = make_life(
            seed,
            make(
                RoomsConfig,
                {'visits': 1, 'split': split, 'room_type': ('living', 'bath')[seed % 2]},
            ),
        )
        for hole in life.room.openings:
            assert belongs((hole.width, hole.height), split)
        for placed in life.visits[0].values():
            if 'curtain' in placed.model.name:
                curtains += 1
                assert belongs(placed.model.size, split)
    assert curtains > 2


def test_crowded_rooms_of_the_long_set_are_crowded():
    """More than 100 objects find a place."""
    seed, config = next((s, c) for s, c in SETS['rooms-long'].sequences() if c.min_objects > 100)
    life = make_life(seed, dataclasses.replace(config, visits=1))
    assert len(life.visits[0]) > 100


def test_digest_is_of_the_content(made, tmp_path):
    """Compression does not matter, every array and every truth does."""
    digest = digest_of(*read_sequence(made))
    assert (
        digest_of(*read_sequence(changed(made, tmp_path / 'a.npz', 'rgb_0', lambda a: a)))
        == digest
    )

    def plus_one(array):
        array.reshape(-1)[array.size // 2] += 1
        return array

    for name in ('xyz_0', 'rgb_1', 'normal_0', 'instance_1', 'semantic_0'):
        other = digest_of(*read_sequence(changed(made, tmp_path / 'b.npz', name, plus_one)))
        assert other.content != digest.content, name
        assert other.life == digest.life
    for key, value in (('change', 6), ('class', 0), ('in_room', None), ('group', 99)):
        path = changed(
            made,
            tmp_path / 'c.npz',
            'header',
            in_header(
                lambda h, k=key, v=value: h['visits'][1]['objects'][0].__setitem__(
                    k, v if v is not None else not h['visits'][1]['objects'][0][k]
                )
            ),
        )
        other = digest_of(*read_sequence(path))
        assert other.content != digest.content, key
        assert other.life != digest.life, key


def test_digest_is_not_of_the_superpoints(made, tmp_path):
    """Records made without them hold for files with them; they follow from the rest."""
    sequence, truth = make_sequence(1, make(RoomsConfig, QUICK))
    path = tmp_path / 'a.npz'
    write_cut_sequence(path, sequence, truth)
    assert digest_of(*read_sequence(path)) == digest_of(*read_sequence(made))
    size, bare = stored_bytes(path), stored_bytes(made)
    assert bare.packed_superpoints == bare.plain_superpoints == 0
    assert size.plain - size.plain_superpoints == bare.plain
    points = sum(map(len, sequence.scans))
    assert 11 * points < bare.plain < 13.5 * points


def test_record_round_trip_and_its_errors(made, tmp_path):
    """What is written is read back; none and a damaged one are told apart from wrong sets."""
    digest = digest_of(*read_sequence(made))
    path = write_record('x', {7: digest, 3: digest}, tmp_path)
    assert read_record('x', tmp_path) == {3: digest, 7: digest}
    with pytest.raises(FileFormatError, match='--record'):
        read_record('y', tmp_path)
    path.write_text('seed,content\n3,abc\n')
    with pytest.raises(FileFormatError, match='damaged'):
        read_record('x', tmp_path)


def test_comparison_says_what_is_wrong(made):
    """Equal, other points of the same rooms, other rooms, and what the record does not have."""
    digest = digest_of(*read_sequence(made))
    rounded = dataclasses.replace(digest, content='0' * 32)
    fewer = dataclasses.replace(rounded, points=tuple(p // 2 for p in digest.points))
    other = dataclasses.replace(rounded, life='0' * 32)
    record = dict.fromkeys(range(4), digest)
    found = compare('s', {0: digest, 1: rounded, 2: fewer, 3: other, 9: digest}, record)
    assert (found.equal, found.rounded, found.different, found.unrecorded) == (
        (0,),
        (1,),
        (2, 3),
        (9,),
    )
    assert not found.is_equal
    assert digest.content in found.text
    assert compare('s', record, record).is_equal


@pytest.mark.parametrize('name', ['rooms-test', 'rooms-hard'])
def test_this_machine_makes_what_was_recorded(name, tmp_path):
    """Every machine that runs the tests is compared with the one that recorded the sets."""
    assert (
        main(['rooms', 'set', name, '--limit', '2', '--out', str(tmp_path), '--no-superpoints'])
        == 0
    )


@pytest.mark.slow
def test_command_makes_records_and_checks(tmp_path, capsys):
    """A changed byte fails and names both checksums; a missing file is not equal either."""
    seed, _ = next(SETS['rooms-val'].sequences())
    command = [
        'rooms',
        'set',
        'rooms-val',
        '--limit',
        '1',
        '--out',
        str(tmp_path / 'out'),
        '--records',
        str(tmp_path / 'records'),
    ]
    assert main([*command, '--check']) == 2
    assert main([*command, '--limit', '-1']) == 2
    assert main([*command, '--record']) == 0
    path = tmp_path / 'out' / f'room_{seed:08d}.npz'
    before = path.stat().st_mtime_ns
    assert read_extras(path).superpoint is not None
    assert main(command) == 0
    assert path.stat().st_mtime_ns == before
    expected = digest_of(*read_sequence(path)).content

    def one_more(array):
        array[0, 0] ^= 1
        return array

    changed(path, path, 'rgb_1', one_more)
    capsys.readouterr()
    assert main([*command, '--check']) == 1
    told = capsys.readouterr().out
    assert expected in told
    assert digest_of(*read_sequence(path)).content in told
    assert '--allow-rounding' in told
    assert main([*command, '--check', '--allow-rounding']) == 0
    path.unlink()
    assert main([*command, '--no-superpoints']) == 0
    assert read_extras(path).superpoint is None
