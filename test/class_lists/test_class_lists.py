"""Lists of classes: sizes and ids as published, files, and translation between lists."""

import numpy as np
import pytest
from rescene4d_ros.class_lists import (
    class_list,
    KNOWN_LISTS,
    list_of_names,
    read_class_list,
    translate,
    translation,
)
from rescene4d_ros.errors import ConfigError, FileFormatError
from rescene4d_ros.structures import INSTANCE_CLASSES


@pytest.mark.parametrize(
    ('name', 'size', 'first', 'last'),
    [
        ('scannet18', 18, (3, 'cabinet'), (39, 'otherfurniture')),
        ('scannet20', 20, (1, 'wall'), (39, 'otherfurniture')),
        ('scannet200', 200, (1, 'wall'), (1191, 'mattress')),
        ('s3dis', 13, (1, 'ceiling'), (13, 'clutter')),
        ('stpls3d', 14, (1, 'building'), (14, 'fence')),
        ('3rscan', 528, (1, 'air conditioner'), (528, 'xbox')),
        ('3rscan160', 160, (4, 'armchair'), (525, 'windowsill')),
        ('rio27', 27, (1, 'wall'), (27, 'blanket')),
        ('rio7', 7, (1, 'seating'), (7, 'structure')),
        ('nyu40', 40, (1, 'wall'), (40, 'otherprop')),
        ('agnostic', 1, (1, 'object'), (1, 'object')),
    ],
)
def test_known_lists_are_as_published(name, size, first, last):
    known = class_list(name)
    assert len(known) == len(known.ids) == size
    assert (known.ids[0], known.names[0]) == first
    assert (known.ids[-1], known.names[-1]) == last
    assert len(set(known.names)) == len(set(known.ids)) == size
    assert list_of_names(known.names) == name


def test_the_first_classes_of_this_package_are_those_of_scannet():
    assert INSTANCE_CLASSES[:18] == class_list('scannet18').names


def named(source, target):
    """Return the translation of known lists by class name."""
    source, target = class_list(source).names, class_list(target).names
    table = translation(source, target)
    return {s: target[k] if k >= 0 else None for s, k in zip(source, table)}


def test_fine_classes_become_coarse_ones():
    """As the publishers of the lists say; what they do not say stays open."""
    fine = named('scannet200', 'scannet20')
    assert fine['office chair'] == fine['armchair'] == fine['chair'] == 'chair'
    assert (fine['couch'], fine['mini fridge'], fine['pillow']) == ('sofa', 'refrigerator', None)
    rio = named('3rscan', 'rio27')
    assert (rio['armchair'], rio['desk'], rio['apron']) == ('chair', 'table', 'clothes')
    assert named('3rscan160', 'rio27') == {n: rio[n] for n in class_list('3rscan160').names}
    assert named('3rscan160', 'nyu40')['armchair'] == 'chair'
    assert named('3rscan', 'rio7')['couch'] == 'bed / sofa'
    assert named('s3dis', 'scannet18')['bookcase'] == 'bookshelf'
    assert named('s3dis', 'scannet18')['floor'] is None


def test_coarse_classes_do_not_become_fine_ones():
    back = named('rio7', 'scannet18')
    assert set(back.values()) == {None}


@pytest.mark.parametrize('name', KNOWN_LISTS)
def test_every_list_is_itself_and_has_objects(name):
    names = class_list(name).names
    assert translation(names, names).tolist() == list(range(len(names)))
    assert not translation(names, ('object',)).any()


def test_class_ids_are_translated():
    table = np.array([2, -1, 0], np.int32)
    assert translate(np.array([[0, 1], [-1, 9]]), table).tolist() == [[2, -1], [-1, -1]]


@pytest.mark.parametrize(
    ('text', 'names', 'ids'),
    [
        ('mug\nold chair\n\n# not a class\n', ('mug', 'old chair'), (1, 2)),
        ('7 mug\n12 old chair\n', ('mug', 'old chair'), (7, 12)),
        ('7,mug\n12,old chair', ('mug', 'old chair'), (7, 12)),
        ('7\tmug\n12\told chair', ('mug', 'old chair'), (7, 12)),
    ],
)
def test_a_file_names_other_classes(tmp_path, text, names, ids):
    (tmp_path / 'own.txt').write_text(text)
    own = read_class_list(tmp_path / 'own.txt')
    assert (own.name, own.names, own.ids) == ('own', names, ids)


@pytest.mark.parametrize(
    ('content', 'told'),
    [
        (b'mug\nmug\n', 'twice mug'),
        (b'', 'no class'),
        (b'\xff\xfe\x00', 'UTF-8'),
        (b'1\n2\n', 'a name after each id'),
        (b'1 mug\n1 cup\n', 'twice 1'),
    ],
)
def test_bad_files_are_refused(tmp_path, content, told):
    (tmp_path / 'bad.txt').write_bytes(content)
    with pytest.raises(FileFormatError, match=told):
        read_class_list(tmp_path / 'bad.txt')


def test_unknown_names_are_refused():
    with pytest.raises(ConfigError, match='expected one of scannet18'):
        read_class_list('scannet21')
