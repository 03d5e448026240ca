"""What /diagnostics says of what was counted."""

import threading

import pytest
from rescene4d_ros.node.diagnostics import (
    Counts,
    ERROR,
    inference_entry,
    memory_entry,
    node_entry,
    NodeStats,
    OK,
    ReportedMemory,
    scans_entry,
    UNTIL_A_VISIT,
    WARN,
)
from rescene4d_ros.node.parameters import NodeConfig
from rescene4d_ros.structures import VisitStatus

QUIET = dict.fromkeys(VisitStatus, 0)


def test_all_is_well_at_the_start(tmp_path):
    """Nothing is counted, nothing is wrong."""
    counts = Counts()
    memory = ReportedMemory(tmp_path, 'map', 'abc')
    for (level, text), _ in (
        scans_entry(counts),
        inference_entry(counts, NodeConfig()),
        node_entry(counts, 'active', True),
    ):
        assert (level, bool(text)) == (OK, True)
    assert memory_entry(counts, memory)[1]['map_id'] == 'map'
    assert memory_entry(counts, None)[0][0] == OK


def test_backlog_is_a_warning_from_the_parameter_on():
    """Clouds that are held count as well as visits that are stored."""
    settings = NodeConfig(backlog_warning=5)
    for held, pending, expected in ((0, 4, OK), (0, 5, WARN), (2, 3, WARN), (4, 0, OK)):
        counts = Counts(held=held, statuses={**QUIET, VisitStatus.PENDING: pending})
        assert inference_entry(counts, settings)[0][0] == expected, (held, pending)


def test_an_implausible_visit_is_a_warning_until_a_plausible_one():
    """With what was measured and the remedy; a refusal, which stored nothing, goes first."""
    stats = NodeStats()
    doubtful = 'up_axis: expected z up, got y; turn the cloud'
    stats.count('stored', refusal='', warnings=(doubtful, 'density: sparse'))
    assert scans_entry(stats.now())[0] == (WARN, f'{doubtful}; density: sparse')
    stats.count('refused', refusal='unit: millimeters')
    assert scans_entry(stats.now())[0] == (WARN, 'unit: millimeters')
    stats.count('stored', refusal='', warnings=())
    assert scans_entry(stats.now())[0][0] == OK


def test_a_failed_visit_outweighs_a_slow_one():
    """The error is shown, with its text."""
    counts = Counts(seconds=1e6, failure='no memory left on the device')
    assert inference_entry(counts, NodeConfig())[0] == (ERROR, 'no memory left on the device')
    assert inference_entry(Counts(seconds=1e6), NodeConfig())[0][0] == WARN


def test_each_stage_says_what_it_took_last():
    """Also where it failed; a stage that was never entered is left out."""
    stats = NodeStats()
    with pytest.raises(OSError, match='full'), stats.stage('store'):
        raise OSError('full')
    with stats.stage('segment'):
        pass
    stats.update(stages={**stats.now().stages, 'segment': 1.25})
    assert inference_entry(stats.now(), NodeConfig())[1]['last segment [s]'] == '1.250'
    scans = scans_entry(stats.now())[1]
    assert float(scans['last store [s]']) >= 0.0
    assert 'last decode [s]' not in scans


def test_folder_that_is_gone_is_an_error_with_a_remedy(tmp_path):
    """Asking for its free space must not end the node."""
    (level, text), _ = memory_entry(Counts(), ReportedMemory(tmp_path / 'gone', 'map', 'abc'))
    assert level == ERROR
    assert 'mount' in text


def test_problems_are_shown_until_they_are_solved():
    """Each by what was being done."""
    stats = NodeStats()
    stats.problem('publishing', 'no such publisher')
    stats.problem('request', 'no such table')
    level, text = node_entry(stats.now(), 'active', True)[0]
    assert level == ERROR
    assert 'publishing: no such publisher; request: no such table' == text
    stats.solved('publishing')
    stats.solved('request')
    assert node_entry(stats.now(), 'active', True)[0] == (OK, 'active')
    assert node_entry(stats.now(), 'active', False)[0][0] == WARN


def test_passing_problems_end_with_a_good_visit():
    """What failed once is over then, and can still be read; what goes on failing is not."""
    stats = NodeStats()
    stats.problem('publishing', 'no such publisher')
    stats.problem('callback', 'no such key')
    stats.solved(*UNTIL_A_VISIT)
    (level, text), values = node_entry(stats.now(), 'active', True)
    assert (level, text) == (ERROR, 'publishing: no such publisher')
    assert values['last problem'] == 'callback: no such key'
    stats.solved('publishing')
    (level, text), values = node_entry(stats.now(), 'active', True)
    assert (level, text) == (OK, 'active')
    assert values['last problem'] == 'callback: no such key'


@pytest.mark.parametrize('n_threads', [8])
def test_counters_lose_nothing_between_threads(n_threads):
    """All threads of the node write them."""
    stats = NodeStats()

    def work():
        for _ in range(500):
            stats.count('received', refusal='')
            stats.problem('request', 'x')
            stats.solved('request')

    threads = [threading.Thread(target=work) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stats.now().received == 500 * n_threads
    assert not stats.now().problems
