"""
Damage trials: random damage to the files of a memory, and what becomes of its answers.

    .venv/bin/python benchmarks/damage.py [--trials 1000] [--first 0] [--seed 0]

Every trial takes a copy of a memory of four visits with corrections, closed or as a killed process
leaves it, and flips bits in a file of it, cuts it short, fills a part with zeros or deletes it.
Then everything is asked. An answer must be that of before, or be refused with a remedy. After that
the memory is repaired and asked again: what differs then must be named by the repair.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
import hashlib
import json
from pathlib import Path
import shutil
import tempfile

import numpy as np
from reading_cost import BOXES, MOVED, scanned, TrueBoxes
from rescene4d_ros.errors import RescenError
from rescene4d_ros.memory import queries
from rescene4d_ros.memory.editing import corrections
from rescene4d_ros.memory.editing.undo import undo
from rescene4d_ros.memory.export import changes_document, objects_document
from rescene4d_ros.memory.maintenance.integrity import check
from rescene4d_ros.memory.maintenance.repair import repair
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import INSTANCE_CLASSES, Scan

DAY_NS = 86_400 * 10**9
KINDS = ('flip', 'flips', 'truncate', 'zeros', 'delete')
REMEDIES = ('backup', 'repair', 'check the path', 'leave the URL out', 'update the package')


@dataclass(frozen=True)
class Outcome:
    """
    Hold what one trial gave.

    Attributes
    ----------
    what : str
        File and kind of damage.
    answers : str
        'equal', 'refused', 'unseen' (another answer without an error), 'crash' (an error of no
        class of the package) or 'no remedy'.
    repaired : str
        'wholly', 'with losses named', 'points lost', 'refused', 'unseen' or 'crash'.
    detail : str

    """

    what: str
    answers: str
    repaired: str
    detail: str


def make_memories(folder: Path) -> dict[str, Path]:
    """Make a memory; return it closed, and as a process that is killed leaves it."""
    visits = [
        _thinned(*scanned(boxes, day * DAY_NS))
        for day, boxes in enumerate((BOXES, MOVED, MOVED[:3], MOVED), start=1)
    ]
    segmenter = TrueBoxes({scan.stamp_ns: labels for scan, labels in visits})
    memory = SceneMemory.open(folder / 'closed', 'room', 'map', INSTANCE_CLASSES)
    tracker = SceneTracker(memory, segmenter)
    for scan, _ in visits[:3]:
        tracker.add_visit(scan)
    corrections.rename(memory, 1, 'desk')
    corrections.lock(memory, 2)
    corrections.merge(memory, 3, 4)
    undo(memory)
    corrections.rename(memory, 3, 'blue box')
    tracker.add_visit(visits[3][0])
    corrections.split(memory, 1, 3)
    shutil.copytree(folder / 'closed', folder / 'killed')
    memory.close()
    return {name: folder / name for name in ('closed', 'killed')}


def _thinned(scan: Scan, labels: np.ndarray) -> tuple[Scan, np.ndarray]:
    """Return every third point: most of the time of a trial would go into them."""
    some = np.arange(0, len(scan), 3)
    return scan.take(some), labels[some]


def ask(path: Path) -> dict[str, str | RescenError]:
    """Return the answer to every question, or the error in its place."""
    try:
        memory = SceneMemory.inspect(path)
    except RescenError as error:
        return dict.fromkeys(QUESTIONS, error)
    answers: dict[str, str | RescenError] = {}
    with memory:
        for name, question in QUESTIONS.items():
            try:
                answers[name] = hashlib.sha256(question(memory).encode()).hexdigest()
            except RescenError as error:
                answers[name] = error
    return answers


def _points(memory: SceneMemory) -> str:
    return ''.join(
        hashlib.sha256(memory.scan(v.visit_id).xyz.tobytes()).hexdigest() for v in memory.visits()
    )


def _labels(memory: SceneMemory) -> str:
    return ''.join(_text(memory.labels(v.visit_id)) for v in memory.visits())


def _records(memory: SceneMemory) -> str:
    return ''.join(
        str((i, {k: _text(v) for k, v in vars(r).items()})) for i, r in memory.records.items()
    )


def _text(value) -> str:
    """Return an array with all its values, or anything else, as text."""
    if not isinstance(value, np.ndarray):
        return str(value)
    return f'{value.dtype} {value.shape} {value.tobytes().hex()}'


def _document(document: dict) -> str:
    """Return a document without its revision, which a repair raises."""
    return json.dumps({**document, 'revision': None})


QUESTIONS: dict[str, Callable[[SceneMemory], str]] = {
    'objects': lambda m: _document(objects_document(m.snapshot())),
    'changes': lambda m: _document(changes_document(m.snapshot(), m.changes())),
    'list': lambda m: str(queries.of_class(m, None)),
    'where then': lambda m: str(queries.of_class(m, None, 2 * DAY_NS)),
    'changed': lambda m: str([asdict(c) for c in queries.changed_between(m, DAY_NS, 9 * DAY_NS)]),
    'history': lambda m: ''.join(str(queries.history_of(m, i)) for i in (1, 2, 3, 4)),
    'journal': lambda m: str(m.journal()),
    'labels': _labels,
    'records': _records,
    'points': _points,
    'people': lambda m: str((m.names(), sorted(m.locked()), m.aliases(), m.metadata)),
}


def damage(path: Path, rng: np.random.Generator) -> str:
    """Damage one file of a memory; return which and how."""
    files = sorted(p for p in path.rglob('*') if p.is_file())
    # Half of the trials are of the database: most bytes are points, which are hashed as a whole.
    database = [p for p in files if p.name.startswith('memory.sqlite3') and p.stat().st_size]
    among = database if rng.random() < 0.5 else files
    file = among[int(rng.integers(len(among)))]
    kind = str(rng.choice(KINDS))
    data = bytearray(file.read_bytes())
    if kind == 'delete' or not data:
        file.unlink()
        return f'{_kind_of(file)} delete'
    if kind in ('flip', 'flips'):
        for _ in range(1 if kind == 'flip' else int(rng.integers(2, 9))):
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    elif kind == 'truncate':
        del data[int(rng.integers(len(data))) :]
    else:
        start = int(rng.integers(len(data)))
        end = min(len(data), start + int(rng.integers(1, 4097)))
        data[start:end] = bytes(end - start)
    file.write_bytes(data)
    return f'{_kind_of(file)} {kind}'


def _kind_of(file: Path) -> str:
    """Return a name for a file that is the same in every memory."""
    if file.suffix == '.npz':
        return 'points'
    return 'derived' if file.parent.name == 'derived' else file.name


def trial(path: Path, before: dict, folder: Path, rng: np.random.Generator) -> Outcome:
    """Damage a copy of a memory, ask it, repair it, ask it again."""
    copy = folder / 'trial'
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(path, copy)
    what = f'{path.name}: {damage(copy, rng)}'
    try:
        after = ask(copy)
        check(copy)
    except Exception as error:  # what a trial is to find
        return Outcome(what, 'crash', '-', repr(error)[:200])
    answers, detail = _compare(before, after)
    try:
        done = repair(copy)
        again = ask(copy)
        faults, _ = check(copy)
    except RescenError as error:
        return Outcome(what, answers, 'refused', detail or str(error)[:200])
    except Exception as error:
        return Outcome(what, answers, 'crash', repr(error)[:200])
    left, more = _compare(before, again, also=('journal', 'people') if done else ())
    if faults:
        repaired = 'points lost' if all('visit' in f for f in faults) else 'unseen'
    elif left == 'equal':
        repaired = 'wholly'
    else:
        repaired = 'with losses named' if done else 'unseen'
    return Outcome(what, answers, repaired, detail or more or '; '.join(faults)[:200])


def _compare(before: dict, after: dict, also: tuple[str, ...] = ()) -> tuple[str, str]:
    """Return what became of answers, and which; a repair adds to the journal and the counters."""
    errors = {k: v for k, v in after.items() if isinstance(v, RescenError)}
    for name, error in errors.items():
        if not any(remedy in str(error) for remedy in REMEDIES):
            return 'no remedy', f'{name}: {error}'[:200]
    other = [k for k, v in after.items() if k not in errors and v != before[k] and k not in also]
    if other:
        return 'unseen', f'other answers: {other}'
    return ('refused', '') if errors else ('equal', '')


def run(numbers: range, seed: int, folder: Path) -> Iterator[Outcome]:
    """Yield what the trials of some numbers give, by turns of a closed and a killed memory."""
    memories = make_memories(folder)
    before = {name: ask(path) for name, path in memories.items()}
    if before['closed'] != before['killed'] or any(
        isinstance(v, RescenError) for v in before['closed'].values()
    ):
        raise SystemExit(f'expected equal answers of whole memories, got {before}')
    for number in numbers:
        name = ('closed', 'killed')[number % 2]
        rng = np.random.default_rng([seed, number])
        yield trial(memories[name], before[name], folder, rng)


def main() -> None:
    """Run the trials and print what they gave."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--trials', type=int, default=1000)
    parser.add_argument('--first', type=int, default=0, help='number of the first, to go on')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--verbose', action='store_true', help='print every trial')
    options = parser.parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        numbers = range(options.first, options.first + options.trials)
        for number, o in zip(numbers, run(numbers, options.seed, Path(folder)), strict=True):
            outcomes.append(o)
            if options.verbose:
                print(f'{number}: {o.what}: {o.answers}, {o.repaired}: {o.detail}', flush=True)
    for field in ('answers', 'repaired'):
        for value, count in Counter(getattr(o, field) for o in outcomes).most_common():
            print(f'{field} {value}: {count}')
    bad = [
        o
        for o in outcomes
        if o.answers in ('unseen', 'crash', 'no remedy') or o.repaired in ('unseen', 'crash')
    ]
    for outcome in bad[:50]:
        print(outcome)
    raise SystemExit(1 if bad else 0)


if __name__ == '__main__':
    main()
