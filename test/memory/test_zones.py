"""Zones of a memory: the file that people write, and which places lie in them."""

import math
import shutil

import numpy as np
import pytest
from rescene4d_ros.errors import ConfigError, FileFormatError
from rescene4d_ros.memory.maintenance.backup import back_up, restore
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.zones import FILE, read_zones, zone_named, zones_of
from rescene4d_ros.structures import Box

L_SHAPED = """
kitchen:
  polygon: [[0, 0], [4, 0], [4, 1], [1, 1], [1, 3], [0, 3]]
Office 3:
  polygon: [[4, 0], [8, 0], [8, 3]]
  floor: 3.0
  ceiling: 6.0
"""


def test_places_in_zones(tmp_path):
    """The notch of an L-shaped zone is outside, and a storey bounds a zone along z."""
    (tmp_path / FILE).write_text(L_SHAPED)
    kitchen, office = read_zones(tmp_path)
    assert kitchen.contains(
        np.array([[0.5, 2, 0], [3, 0.5, 9], [2, 2, 0], [-1, 0.5, 0]])
    ).tolist() == [True, True, False, False]
    assert office.contains(np.array([[7, 1, 4.0], [7, 1, 1.0]])).tolist() == [True, False]
    assert zones_of((kitchen, office), Box((7.0, 1.0, 4.0), (1, 1, 1))) == ('Office 3',)
    assert zone_named((kitchen, office), ' office  3') is office
    assert kitchen.ceiling == math.inf
    with pytest.raises(ConfigError, match='there are: kitchen, Office 3'):
        zone_named((kitchen, office), 'bath')


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('[1, 2]', 'names with polygons'),
        ('a: [1, 2]', "zone 'a'"),
        ('a: {polygon: [[0, 0], [1, 1]]}', 'three or more corners'),
        ('a: {polygon: [[0, 0], [1, .nan], [2, 2]]}', 'three or more corners'),
        ('a: {polygon: [[0, x], [1, 1], [2, 2]]}', 'numbers in m'),
        ('a: {polygon: [[0, 0], [1, 1], [0, 1]], hight: 3}', 'polygon, floor, ceiling'),
        ('a: {polygon: [[0, 0], [1, 1], [0, 1]], floor: 3, ceiling: 1}', 'floor below'),
        (
            'a: {polygon: [[0, 0], [1, 1], [0, 1]]}\nA: {polygon: [[0, 0], [1, 1], [0, 1]]}',
            'differ',
        ),
        ('a: {', 'expected YAML'),
        ('x' * (1 << 21), 'at most'),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path, text, says):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(FileFormatError, match=says):
        read_zones(tmp_path)


def test_none_and_empty(tmp_path):
    assert read_zones(tmp_path) == ()
    (tmp_path / FILE).write_text('# none yet\n')
    assert read_zones(tmp_path) == ()


def test_backup_holds_the_zones(tmp_path):
    """Zones survive a backup and its restore."""
    with SceneMemory.open(tmp_path / 'one', 'home', 'map', ['chair']):
        (tmp_path / 'one' / FILE).write_text(L_SHAPED)
    back_up(tmp_path / 'one', tmp_path / 'copy')
    shutil.rmtree(tmp_path / 'one')
    restore(tmp_path / 'copy', tmp_path / 'one')
    assert [zone.name for zone in read_zones(tmp_path / 'one')] == ['kitchen', 'Office 3']
