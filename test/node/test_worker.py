"""A job that fails neither stops the thread nor the jobs after it."""

import threading

from rescene4d_ros.node.worker import Worker


def test_jobs_run_in_order_and_outlive_a_failing_one():
    """The error is told, the next job runs."""
    done, errors = [], []
    worker = Worker('test', errors.append)
    worker.submit(lambda: done.append(1))
    worker.submit(lambda: 1 / 0)
    worker.submit(lambda: done.append(2))
    worker.stop()
    assert done == [1, 2]
    assert [type(error) for error in errors] == [ZeroDivisionError]


def test_stop_finishes_what_runs_and_discards_what_waits():
    """What is discarded here is safe in the memory."""
    started, go, done = threading.Event(), threading.Event(), []
    worker = Worker('test', done.append)

    def job():
        started.set()
        go.wait(60)
        done.append('first')

    worker.submit(job)
    worker.submit(lambda: done.append('second'))
    assert started.wait(60)
    stopper = threading.Thread(target=worker.stop, args=(True,))
    stopper.start()
    while not worker.stopping:
        pass
    go.set()
    stopper.join(60)
    assert not stopper.is_alive()
    assert done == ['first']
