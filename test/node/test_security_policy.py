"""The SROS2 policy allows both nodes exactly what they do; sros2 is not among the wheels."""

from xml.etree import ElementTree

from lifecycle_msgs.srv import GetState
import pytest
from rclpy.node import NodeNameNonExistentError
from rescene4d_ros.node.ros_process import share

TF = {'/tf', '/tf_static'}  # where tf2_ros is installed
IMAGES = {'/depth', '/color', '/camera_info'}  # with input: depth
# Where other packages and parameters are: boxes of vision_msgs, paths, and the bond.
OPTIONAL = TF | {'/detections', '/rescene4d/detections', '/observed_space', '/bond'}
CHANGING = ('correct_object', 'reprocess', 'change_state', 'move_map', 'load_memory', 'pause')
ACTIONS = ('publish', 'subscribe', 'reply')


def allowed(enclave, **how):
    """Return the full names of what an enclave may do, such as publish='ALLOW'."""
    policy = ElementTree.parse(share() / 'config' / 'sros2' / 'policy.xml')
    (profile,) = policy.findall(f".//enclave[@path='/rescene4d/{enclave}']//profile")
    ((key, value),) = how.items()
    names = {e.text for group in profile if group.get(key) == value for e in group}
    own = f'/{profile.get("node")}'
    return {name.replace('~', own) if name[0] in '~/' else f'/{name}' for name in names}


def graph_of(client, name, wanted, nodes=()):
    """Return what a running node publishes, subscribes to and answers, once what is wanted is."""
    asked = {
        'publish': client.node.get_publisher_names_and_types_by_node,
        'subscribe': client.node.get_subscriber_names_and_types_by_node,
        'reply': client.node.get_service_names_and_types_by_node,
    }
    nodes, found = set(nodes or (name, f'_{name}_requests')), {}

    def is_discovered():
        if not nodes <= set(client.node.get_node_names()):
            return False
        try:
            for key, ask in asked.items():
                found[key] = {topic for node in nodes for topic, _ in ask(node, '/')}
        except NodeNameNonExistentError:  # seen, but not yet with its topics
            return False
        return all(wanted[key] <= found[key] for key in asked)

    client.wait(is_discovered)
    return found


def allowed_of(enclave, optional):
    """Return what the enclave of a node may do, without what only some machines have."""
    return {key: allowed(enclave, **{key: 'ALLOW'}) - optional for key in ACTIONS}


def test_node_may_do_what_it_does_and_no_more(client, start_node):
    """A missing name would stop the node, one too many would be a hole."""
    start_node(autostart='true', use_sim_time='true')
    client.wait(lambda: client.state() == 'active')
    wanted = allowed_of('node', OPTIONAL)
    nodes = ('rescene4d', '_rescene4d_requests', '_rescene4d_actions')
    graph = graph_of(client, 'rescene4d', wanted, nodes)
    assert {key: graph[key] - OPTIONAL for key in ACTIONS} == wanted


def test_visit_builder_may_do_what_it_does_and_no_more(client, processes):
    """As for the node; poses come from odometry here, from transforms by default."""
    params = {'autostart': 'true', 'use_sim_time': 'true', 'pose_source': 'odometry'}
    processes.start('visit_builder.main', params=params)

    def is_active():
        answer = client.call(GetState, '/visit_builder/get_state', GetState.Request())
        return answer.current_state.label == 'active'

    client.wait(is_active)
    wanted = allowed_of('visit_builder', OPTIONAL | IMAGES)
    nodes = ('visit_builder', '_visit_builder_requests', '_visit_builder_actions')
    graph = graph_of(client, 'visit_builder', wanted, nodes)
    assert {key: graph[key] - OPTIONAL for key in ACTIONS} == wanted


@pytest.mark.parametrize('enclave', ['operator', 'viewer'])
def test_people_get_only_what_the_node_offers(enclave):
    """The viewer changes nothing."""
    assert allowed(enclave, subscribe='ALLOW') <= allowed('node', publish='ALLOW')
    asked = allowed(enclave, request='ALLOW')
    assert asked <= allowed('node', reply='ALLOW')
    changing = {f'/rescene4d/{n}' for n in CHANGING}
    assert (asked & changing == changing) == (enclave == 'operator')
    assert enclave == 'operator' or not asked & changing
    assert allowed(enclave, publish='ALLOW') == {'/rosout', '/parameter_events'}
