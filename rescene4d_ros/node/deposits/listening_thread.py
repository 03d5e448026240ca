"""The thread that hears what workers made of visits, and has it published."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

from rescene4d_ros.errors import StorageError
from rescene4d_ros.fleet.database import DepositStatus
from rescene4d_ros.fleet.results import Results
from rescene4d_ros.fleet.visit_guard import Outcome
from rescene4d_ros.node.diagnostics import NodeStats, text_of

WAIT = 0.5  # s; between two looks whether to stop
RETRY = 5.0  # s; after an error of network or server


class ListeningThread:
    """
    Publish what the fleet knows of a map at the start, then each visit that is processed.

    Where the network is cut, what was processed meanwhile is published as soon as it is back.

    Parameters
    ----------
    results : Results
        Of the map.
    show_all : callable()
        Publishes the state of the memory; called once, when the database answers.
    show_changes : callable(list of Outcome)
        Publishes what visits changed.
    show_scene : callable()
        Publishes the scene after them. Both are called again where they raised StorageError.
    stats : NodeStats
    log : logger

    """

    def __init__(
        self,
        results: Results,
        show_all: Callable[[], None],
        show_changes: Callable[[list[Outcome]], None],
        show_scene: Callable[[], None],
        stats: NodeStats,
        log,
    ):
        self._results, self._show_all = results, show_all
        self._show_changes, self._show_scene = show_changes, show_scene
        self._stats, self._log = stats, log
        self._done: list[Outcome] = []  # processed, their changes not published
        self._is_scene_due = False
        self._is_begun = False
        self._stopping = Event()
        self._thread = Thread(target=self._run, name='results', daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being published."""
        self._stopping.set()
        self._thread.join()
        self._results.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._hear()
                self._stats.solved('results')
            except Exception as error:
                self._stats.problem('results', text_of(error))
                self._log.warning(f'results: {text_of(error)}', throttle_duration_sec=30.0)
                if not isinstance(error, StorageError):
                    # Not tried again: what visits changed is in the memory of the map.
                    self._done, self._is_scene_due = [], False
                self._stopping.wait(RETRY)

    def _hear(self) -> None:
        """Wait for outcomes for a short time, and publish them."""
        outcomes = self._results.wait(WAIT if self._is_begun else 0.0)
        for outcome in outcomes:
            self._tell(outcome)
        self._done += [o for o in outcomes if o.status == DepositStatus.DONE]
        if not self._is_begun:
            self._show_all()  # after the first `wait`, so that nothing is missed between
            self._is_begun = True
        if self._done:
            self._show_changes(self._done)
            self._stats.count('processed', len(self._done), failure='')
            self._done, self._is_scene_due = [], True
        if self._is_scene_due:
            self._show_scene()
            self._is_scene_due = False

    def _tell(self, outcome: Outcome) -> None:
        """Report a visit that is not processed."""
        if outcome.status == DepositStatus.DONE:
            self._log.info(f'visit {outcome.visit_id} processed, revision {outcome.revision}')
            return
        text = f'deposit {outcome.deposit_id} is {outcome.status.value}: {outcome.reason}'
        self._log.warning(text)
        if outcome.status == DepositStatus.FAILED:
            self._stats.count('failed', failure=text)
        elif outcome.status == DepositStatus.REFUSED:
            self._stats.count('refused', refusal=text)
