"""
The algorithm box: one visit goes in, identities and changes come out.

Joins a segmenter with a scene memory; knows no ROS, no files and no clock.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import count
import logging
from typing import Protocol

import numpy as np
from rescene4d_ros.config import param
from rescene4d_ros.errors import CorrectedMeanwhileError, MemoryFormatError, StorageError
from rescene4d_ros.geometry.visibility import Cloud
from rescene4d_ros.memory.aliases import resolve_labels, resolve_records
from rescene4d_ros.memory.appearance import mean_color
from rescene4d_ros.memory.association import associate, Association, AssociationConfig
from rescene4d_ros.memory.changes import ChangeConfig, judge
from rescene4d_ros.memory.confidence import Confidence, shipped_model
from rescene4d_ros.memory.context import SeenSpace
from rescene4d_ros.memory.folding import join_merged, remember
from rescene4d_ros.memory.merging import find_merges, merge_events
from rescene4d_ros.memory.motion import MotionConfig
from rescene4d_ros.memory.observations import make_observation, observe
from rescene4d_ros.memory.overlooked import find_overlooked, REASON
from rescene4d_ros.memory.places import VisitView, was_looked_at
from rescene4d_ros.memory.records import ObjectRecord, Observation, VisitFacts
from rescene4d_ros.memory.replay import carry_ids, replay
from rescene4d_ros.memory.splitting import split_again, standing_splits
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Scan, SceneUpdate, Segmentation, VisitInfo, VisitStatus

log = logging.getLogger(__name__)

RESTARTS = 3     # of what people correct meanwhile; then corrections wait, or a reprocess gives up


class Segmenter(Protocol):
    """Anything that finds the instances of T visits together."""

    def segment(self, scans: Sequence[Scan], keys: Sequence[str]) -> Segmentation:
        """Return instances that span the visits; `keys` name the scans for its cache."""


@dataclass(frozen=True)
class TrackerConfig:
    """Say what the tracker looks at."""

    window: int = param(2, 'Visits that are segmented together, the new one included.', ge=1,
                        le=12)
    min_points: int = param(30, 'Instances with fewer points are ignored.', ge=1)
    min_score: float = param(0.2, 'Less sure instances are ignored.', ge=0, le=1)
    birth_score: float = param(0.4, 'Less sure instances are no new objects; they may still be '
                               'ones that are known.', ge=0, le=1)


class SceneTracker:
    """
    Keep every object's identity from visit to visit.

    Parameters
    ----------
    memory : SceneMemory
        Open for writing.
    segmenter : Segmenter
    config, association, motion, changes
        Settings; the defaults are what was tuned.
    confidence : callable, optional
        Says how likely a change is, from its evidence; default is the model of the package.

    """

    def __init__(self, memory: SceneMemory, segmenter: Segmenter,
                 config: TrackerConfig | None = None,
                 association: AssociationConfig | None = None,
                 motion: MotionConfig | None = None, changes: ChangeConfig | None = None,
                 confidence: Confidence | None = None):
        self.memory = memory
        self._segmenter = segmenter
        self._space = SeenSpace(memory)
        self._config = config or TrackerConfig()
        self._association = association or AssociationConfig()
        self._motion = motion or MotionConfig()
        self._changes = changes or ChangeConfig()
        self._confidence = confidence or shipped_model()
        self._clouds: dict[str, Cloud] = {}     # of the latest window, by key
        self._segmented: tuple[list[str], Segmentation] | None = None     # of a visit at hand

    def add_visit(self, scan: Scan) -> SceneUpdate:
        """
        Store a visit, then say which object is which and what changed.

        Visits that an earlier stop left unprocessed are processed first, in stamp order.

        Raises
        ------
        ScanError, DuplicateVisitError, VisitOrderError, StorageError
            See `SceneMemory.add_visit`.
        Exception
            Whatever the segmenter raised; the visit is then FAILED with that reason, and the
            next visit can be added.

        """
        visit = self.memory.add_visit(scan)
        for waiting in self.memory.pending():
            if waiting.stamp_ns < visit.stamp_ns:
                log.warning('visit %d was left unprocessed; it goes first', waiting.visit_id)
                self._process_or_fail(waiting)
        return self._process_or_fail(visit)

    def resume(self) -> Iterator[SceneUpdate]:
        """Process the visits that wait, in stamp order; yield what each brought."""
        for visit in self.memory.pending():
            yield self._process_or_fail(visit)

    def reprocess(self, from_visit: int | None = None,
                  progress: Callable[[int, int], None] | None = None) -> Iterator[SceneUpdate]:
        """
        Process stored visits again, late and failed ones included, and replace what they gave.

        Objects whose points lie on those of an object known before keep its id; others get ids
        never given before. What people split is parted again. Nothing is replaced until all
        visits are through.

        Parameters
        ----------
        from_visit : int, optional
            First visit to process again, and all with later stamps; default is all.
        progress : callable, optional
            Called with (visits done, visits in all).

        Returns
        -------
        iterator of SceneUpdate
            One per visit, in stamp order, after all is stored.

        Raises
        ------
        MemoryFormatError
            There is no such visit.
        CorrectedMeanwhileError
            Objects were corrected during each of several attempts; the memory is as before.
        Exception
            Whatever the segmenter raised; the memory is as before.

        """
        visits = self.memory.visits()
        first = 0
        if from_visit is not None:
            numbers = [visit.visit_id for visit in visits]
            if from_visit not in numbers:
                raise MemoryFormatError(f'reprocess: expected a stored visit, got {from_visit}; '
                                        f'stored are {numbers}')
            first = numbers.index(from_visit)
        again = visits[first:]
        past = [v for v in visits[:first] if v.status == VisitStatus.DONE]
        if not again:
            return iter(())
        for _ in range(1 + RESTARTS):
            started = self.memory.header.revision
            history = self._work_out_anew(past, again, progress)
            with self.memory.mutex:
                if self.memory.header.revision == started:
                    revision = self.memory.rewrite(history)
                    return iter([self._update(facts, revision) for facts in history])
            log.warning('objects were corrected while visits were processed anew')
        raise CorrectedMeanwhileError(
            f'{self.memory.path}: expected no corrections while {len(again)} visits are processed '
            f'anew, got some during each of {1 + RESTARTS} attempts; nothing is replaced, '
            'reprocess when nobody corrects')

    def _work_out_anew(self, past: Sequence[VisitInfo], again: Sequence[VisitInfo],
                       progress: Callable[[int, int], None] | None) -> list[VisitFacts]:
        """Process visits that follow others as if for the first time; changes nothing."""
        records = replay(self.memory, past)
        aliases = self.memory.aliases()
        records = resolve_records(records, aliases)
        labels = {visit.visit_id: resolve_labels(self.memory.labels(visit.visit_id), aliases)
                  for visit in past}
        next_id = self.memory.header.next_object_id
        before, history = records, []
        for visit in again:
            window = self._space.context(visit, [*past, *again[:len(history)]], self._window)
            facts = self._understand(visit, window, labels, records, next_id)
            history.append(facts)
            records, labels[visit.visit_id] = facts.records, facts.object_ids
            next_id = max([next_id, *(i + 1 for i in records)])
            if progress is not None:
                progress(len(history), len(again))
        self._segmented = None
        history = carry_ids(history, {v.visit_id: self.memory.labels(v.visit_id) for v in again},
                            frozenset(self.memory.records), self.memory.header.next_object_id)
        return split_again(history, before, standing_splits(self.memory))

    @property
    def _window(self) -> int:
        """Return the number of earlier visits that are segmented with a new one."""
        return self._config.window - 1

    def _process_or_fail(self, visit: VisitInfo) -> SceneUpdate:
        """Process one stored visit; mark it FAILED where it cannot be done."""
        try:
            window = self._space.context(visit, self.memory.visits(VisitStatus.DONE),
                                         self._window)
            for restarts in count():
                # At the last attempt corrections wait; not for long, as the network is through.
                with self.memory.mutex if restarts == RESTARTS else nullcontext():
                    with self.memory.mutex:     # all as of one revision
                        header, records = self.memory.header, self.memory.records
                        aliases = self.memory.aliases()
                        labels = {v.visit_id: resolve_labels(self.memory.labels(v.visit_id),
                                                             aliases) for v in window}
                    facts = self._understand(visit, window, labels, records,
                                             header.next_object_id)
                    with self.memory.mutex:
                        if self.memory.header.revision == header.revision:
                            return self._update(facts, self.memory.commit(facts))
                log.info('visit %d: objects were corrected meanwhile; it is processed once more',
                         visit.visit_id)
        except StorageError:
            raise                          # the disk's fault, not the visit's: it stays PENDING
        except Exception as error:
            self.memory.fail(visit.visit_id, f'{type(error).__name__}: {error}')
            raise
        finally:
            self._segmented = None

    def _understand(self, visit: VisitInfo, window: Sequence[VisitInfo],
                    labels: Mapping[int, np.ndarray], records: Mapping[int, ObjectRecord],
                    next_id: int) -> VisitFacts:
        """Find out everything one visit brings; changes nothing."""
        earlier = [self.memory.scan(v.visit_id) for v in window]
        scan = self.memory.scan(visit.visit_id)
        keys = [self.memory.key(v.visit_id) for v in (*window, visit)]
        segmentation = self._segmentation([*earlier, scan], keys)
        observations = observe(scan, segmentation, [labels[v.visit_id] for v in window],
                               min_points=self._config.min_points,
                               min_score=self._config.min_score)
        *before, cloud = self._prepared([*earlier, scan], keys)
        view = VisitView(scan, cloud=cloud)
        places = view.places_of(records)
        past = [VisitView(s, labels[v.visit_id], c)
                for v, s, c in zip(window, earlier, before)][::-1]
        association = associate(observations, records, places, self._association,
                                lambda seen: was_looked_at(seen, past))
        seen, reasons, confidence = _named(scan, observations, association, next_id,
                                           self._config.birth_score)
        missed = find_overlooked(scan, records, places, seen, self._config.min_points)
        seen, reasons = seen | missed, reasons | dict.fromkeys(missed, REASON)
        merges = find_merges(records, seen, past, self.memory.locked())
        merged = merge_events(visit, records, merges, self.memory.header.class_names)
        seen, reasons, confidence = ({merges.get(i, i): value for i, value in named.items()}
                                     for named in (seen, reasons, confidence))
        verdict = judge(visit, join_merged(records, merged), seen, confidence, places, view, past,
                        self.memory.header.class_names, self._motion, self._changes,
                        self._confidence)
        changes = (*merged, *verdict.changes)
        after = remember(records, visit.stamp_ns, view.cloud, seen, reasons, verdict.states,
                         changes, association.alternatives)
        object_ids = np.zeros(len(scan), dtype=np.int64)
        for object_id, observation in seen.items():
            object_ids[observation.points] = object_id
        return VisitFacts(visit, seen, reasons, verdict.states, changes, object_ids, after,
                          association.alternatives)

    def _segmentation(self, scans: Sequence[Scan], keys: list[str]) -> Segmentation:
        """Return what the segmenter says of some scans; no correction changes it, so once."""
        if self._segmented is None or self._segmented[0] != keys:
            self._segmented = keys, self._segmenter.segment(scans, keys)
        return self._segmented[1]

    def _prepared(self, scans: Sequence[Scan], keys: Sequence[str]) -> list[Cloud]:
        """Return the clouds of some scans, those of the visit before made only once."""
        clouds = [self._clouds.get(key) or Cloud(scan.xyz, scan.sensor_path)
                  for scan, key in zip(scans, keys)]
        self._clouds = dict(zip(keys, clouds))
        return clouds

    def _update(self, facts: VisitFacts, revision: int) -> SceneUpdate:
        """Return what one visit brought, for people and machines."""
        class_ids = np.full(len(facts.object_ids), -1, dtype=np.int32)
        scores = np.zeros(len(facts.object_ids), dtype=np.float32)
        for object_id, observation in facts.observations.items():
            class_ids[observation.points] = facts.records[object_id].class_id
            scores[observation.points] = observation.score
        names = self.memory.header.class_names
        objects = tuple(record.as_object(names, self.memory.past.get(object_id, ()))
                        for object_id, record in facts.records.items())
        return SceneUpdate(replace(facts.visit, status=VisitStatus.DONE), revision, objects,
                           facts.changes, facts.object_ids, class_ids, scores)


def _named(scan: Scan, observations: Sequence[Observation], association: Association,
           next_id: int, birth_score: float
           ) -> tuple[dict[int, Observation], dict[int, str], dict[int, float]]:
    """
    Give linked and new observations their ids, and join the pieces of split masks.

    A new object has only its score to speak for it; one that is known also has its past.
    """
    sure = [k for k in association.births if observations[k].score >= birth_score]
    numbers = dict(association.links) | {k: next_id + n for n, k in enumerate(sure)}
    pieces: dict[int, list[np.ndarray]] = {}
    for piece, whole in association.parts.items():
        pieces.setdefault(whole, []).append(observations[piece].points)
    seen = {}
    for number, object_id in sorted(numbers.items(), key=lambda item: item[1]):
        found = observations[number]
        if number in pieces:
            points = np.sort(np.concatenate([found.points, *pieces[number]]))
            found = make_observation(scan, points, found.class_probs, found.score, found.feature,
                                     dict(found.votes), mean_color(scan))
        seen[object_id] = found
    reasons = {i: association.reasons.get(i, 'new: nothing remembered explains it')
               for i in seen}
    return seen, reasons, {i: association.confidence.get(i, 1.0) for i in seen}
