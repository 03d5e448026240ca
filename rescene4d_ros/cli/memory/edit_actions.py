"""Actions of `rescene4d memory` that write: corrections, retention, migration."""

from __future__ import annotations

import argparse

from rescene4d_ros.cli.memory.query_actions import add_memory, MOMENT, stamp_of
from rescene4d_ros.memory.editing import correction_messages
from rescene4d_ros.memory.maintenance import retention
from rescene4d_ros.memory.maintenance.thinning_policy import ThinningPolicy
from rescene4d_ros.memory.store import SceneMemory


def add_arguments(actions) -> None:
    """Declare the actions; they are refused while a node has the memory open."""

    def declare(name: str, text: str, run, *objects: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, description=text)
        add_memory(action)
        for argument in objects:
            action.add_argument(argument, type=int)
        action.set_defaults(change=run)
        return action

    declare(
        'rename', 'give an object a name; an empty one removes it', _rename, 'object'
    ).add_argument('name')
    declare(
        'merge',
        'merge two ids into one object; the younger id becomes an alias',
        _merge,
        'one',
        'other',
    )
    declare(
        'split', 'split an object: from one visit on it is another object', _split, 'object'
    ).add_argument('--from-visit', type=int, required=True, metavar='N')
    declare('lock', 'never merge, split or delete an object', _lock, 'object')
    declare('unlock', 'let an object be merged, split and deleted again', _unlock, 'object')
    declare('undo', 'undo the latest correction', _undo)
    declare(
        'exclude-visit',
        'leave a visit out of what is known; its points stay stored',
        _exclude_visit,
        'visit',
    )
    declare(
        'include-visit',
        'take an excluded visit in again; the next reprocess processes it',
        _include_visit,
        'visit',
    )
    thin = declare('thin', 'keep fewer points of old visits', _thin)
    thin.add_argument('--before', required=True, metavar='MOMENT', help=MOMENT)
    thin.add_argument(
        '--spacing',
        type=float,
        default=0.03,
        metavar='M',
        help='edge of the cells that each keep one point, m; default 0.03',
    )
    thin.add_argument(
        '--spare-changes',
        action='store_true',
        help='as the setting retention.thin_after: spare the first and newest visit and those '
        'with changes; corrections can still be undone',
    )
    declare(
        'delete-object',
        'delete an object with all its points permanently',
        _delete_object,
        'object',
    )
    declare(
        'delete-visit',
        'delete a visit and objects that it alone observed permanently',
        _delete_visit,
        'visit',
    )
    declare(
        'delete-before', 'delete old visits except the newest permanently', _delete_before
    ).add_argument('--before', required=True, metavar='MOMENT', help=MOMENT)
    declare(
        'upgrade',
        'migrate a memory of an older version',
        lambda memory, options: f'{memory.path}: schema {memory.metadata.schema}',
    )


def _exclude_visit(memory: SceneMemory, options: argparse.Namespace) -> str:
    return correction_messages.exclude_visit(memory, options.visit).text


def _include_visit(memory: SceneMemory, options: argparse.Namespace) -> str:
    return correction_messages.include_visit(memory, options.visit).text


def _rename(memory: SceneMemory, options: argparse.Namespace) -> str:
    return correction_messages.rename(memory, options.object, options.name).text


def _merge(memory: SceneMemory, options: argparse.Namespace) -> str:
    return correction_messages.merge(memory, options.one, options.other).text


def _split(memory: SceneMemory, options: argparse.Namespace) -> str:
    return correction_messages.split(memory, options.object, options.from_visit).text


def _lock(memory: SceneMemory, options: argparse.Namespace) -> str:
    return correction_messages.lock(memory, options.object).text


def _unlock(memory: SceneMemory, options: argparse.Namespace) -> str:
    return correction_messages.lock(memory, options.object, False).text


def _undo(memory: SceneMemory, options: argparse.Namespace) -> str:
    return correction_messages.undo(memory).text


def _thin(memory: SceneMemory, options: argparse.Namespace) -> str:
    before_ns, gone = stamp_of(memory, options.before), 0
    if not options.spare_changes:
        return f'{retention.thin_visits(memory, before_ns, options.spacing)} points went'
    policy = ThinningPolicy(memory, options.spacing)
    while (thinned := policy.step(before_ns)).visits:
        gone += thinned.points
    left = len(policy.due(before_ns))
    waits = f'; {left} visits wait until a later visit builds on the latest correction'
    return f'{gone} points went' + (waits if left else '')


def _delete_object(memory: SceneMemory, options: argparse.Namespace) -> str:
    retention.delete_object(memory, options.object)
    return f'object {options.object} is deleted'


def _delete_visit(memory: SceneMemory, options: argparse.Namespace) -> str:
    retention.delete_visit(memory, options.visit)
    return f'visit {options.visit} is deleted'


def _delete_before(memory: SceneMemory, options: argparse.Namespace) -> str:
    gone = retention.delete_visits_before(memory, stamp_of(memory, options.before))
    return f'{len(gone)} visits are deleted'
