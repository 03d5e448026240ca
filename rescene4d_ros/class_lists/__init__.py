"""Lists of classes that networks and data sets use, and how one is expressed in another."""

from rescene4d_ros.class_lists.lists import (
    class_list,
    ClassList,
    KNOWN_LISTS,
    list_of_names,
    read_class_list,
    translate,
    translate_probabilities,
    translation,
)

__all__ = [
    'class_list',
    'ClassList',
    'KNOWN_LISTS',
    'list_of_names',
    'read_class_list',
    'translate',
    'translate_probabilities',
    'translation',
]
