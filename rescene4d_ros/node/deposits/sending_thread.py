"""The thread that sends what is in the spool, now or when the network is back."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Thread

from rescene4d_ros.fleet.depositor import Depositor
from rescene4d_ros.node.diagnostics import NodeStats, text_of

RETRY = 5.0  # s; after an error of network, server or store


class SendingThread:
    """
    Deposit visits in the order they came, until `stop`.

    Parameters
    ----------
    depositor : Depositor
    sent : callable()
        Called after each deposit.
    stats : NodeStats
    log : logger

    """

    def __init__(self, depositor: Depositor, sent: Callable[[], None], stats: NodeStats, log):
        self._depositor, self._sent, self._stats, self._log = depositor, sent, stats, log
        self._changed = Condition()
        self._has_work, self._stopping = True, False  # what an earlier run left is sent
        self._thread = Thread(target=self._run, name='deposits', daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look into the spool; returns at once."""
        with self._changed:
            self._has_work = True
            self._changed.notify()

    def stop(self) -> None:
        """Finish the deposit at hand; what is left stays in the spool."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        pause = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._has_work, pause)
                if self._stopping:
                    return
                self._has_work = False
            pause = None if self._is_all_sent() else RETRY

    def _is_all_sent(self) -> bool:
        """Send what waits; False where it is to be tried again."""
        try:
            for deposit_id in self._depositor.send():
                self._log.info(f'deposited as {deposit_id}')
                self._sent()
                if self._stopping:
                    return True
        except Exception as error:  # of any kind: the visits are in the spool
            self._stats.problem('depositing', text_of(error))
            self._log.warning(f'not deposited: {text_of(error)}', throttle_duration_sec=30.0)
            return False
        self._sent()  # what was set aside waits no more
        self._stats.solved('depositing')
        return True
