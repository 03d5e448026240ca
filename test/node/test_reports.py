"""A page per visit, written by a node that was asked to."""

import shutil

import pytest
from rescene4d_ros.node.messages import interfaces


@pytest.mark.slow
def test_node_writes_a_report_per_visit_and_survives_one_that_fails(
    client, processes, start_node, visits, cloud_message, tmp_path
):
    """Where the folder is none any more, the log says so; the visit is processed."""
    folder = tmp_path / 'reports'
    node = start_node(autostart='true', report_folder=folder)
    objects = client.listen(interfaces.OBJECTS)
    client.wait(lambda: objects)
    client.publish(cloud_message(visits[0]))
    client.wait(lambda: 'what visit 1 changed' in node.log.read_text())
    assert 'What changed in' in (folder / 'visit_1.html').read_text()[:2000]
    shutil.rmtree(folder)
    folder.write_text('a file')
    client.publish(cloud_message(visits[1]))
    client.wait(lambda: 'no report' in node.log.read_text())
    assert 'check the parameter report_folder' in node.log.read_text()
    assert objects[-1].revision == 2
    assert client.state() == 'active'
    assert processes.stop(node) == 0
