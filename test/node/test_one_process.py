"""Node and visit builder in one process: snapshots are handed over without DDS."""

import pytest
from rescene4d_ros.node.messages import interfaces
from std_srvs.srv import Trigger


@pytest.mark.slow
def test_a_drive_reaches_the_memory_without_the_topic(client, processes, robot, tmp_path):
    """Nobody sees the snapshot on its topic; a paused node gets it when it goes on."""
    params = {
        'autostart': 'true',
        'rescene4d:memory.path': tmp_path / 'memory',
        'rescene4d:inference.source': 'none',
        'visit_builder:pose_source': 'odometry',
        'visit_builder:clouds_reliability': 'reliable',
        'visit_builder:spool': tmp_path / 'visit.spool',
    }
    process = processes.start('visit_builder.one_process', params=params)
    objects, snapshots = client.listen(interfaces.OBJECTS), client.listen(interfaces.SNAPSHOTS)
    client.wait(lambda: client.state() == client.state('/visit_builder') == 'active')
    robot(range(8))
    answer = client.call(Trigger, '/visit_builder/finish', Trigger.Request())
    assert answer.success, answer.message
    client.wait(lambda: objects and objects[-1].revision == 1)
    client.wait(lambda: not list(tmp_path.glob('visit.spool*')))
    assert client.call(Trigger, '/rescene4d/pause', Trigger.Request()).success
    robot(range(200, 208))
    answer = client.call(Trigger, '/visit_builder/finish', Trigger.Request())
    assert answer.success, answer.message
    client.spin(1.0)
    assert len(list(tmp_path.glob('visit.spool*'))) == 1
    assert client.call(Trigger, '/rescene4d/resume', Trigger.Request()).success
    client.wait(lambda: objects[-1].revision == 2)
    assert not snapshots
    assert processes.stop(process) == 0
