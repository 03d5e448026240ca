"""The SROS2 policy allows the node exactly what it does; sros2 itself is not among the wheels."""

from xml.etree import ElementTree

import pytest
from rescene4d_ros.node.process import share

TF = {'/tf', '/tf_static'}  # where tf2_ros is installed


def allowed(enclave, **how):
    """Return the full names of what an enclave may do, such as publish='ALLOW'."""
    policy = ElementTree.parse(share() / 'config' / 'sros2' / 'policy.xml')
    (profile,) = policy.findall(f".//enclave[@path='/rescene4d/{enclave}']//profile")
    ((key, value),) = how.items()
    names = {e.text for group in profile if group.get(key) == value for e in group}
    return {name.replace('~', '/rescene4d') if name[0] in '~/' else f'/{name}' for name in names}


@pytest.fixture
def graph(client, start_node):
    """Return what the running node publishes, subscribes to and answers."""
    start_node(autostart='true', use_sim_time='true')
    client.wait(lambda: client.state() == 'active')
    found = {}
    for key, ask in (
        ('publish', client.node.get_publisher_names_and_types_by_node),
        ('subscribe', client.node.get_subscriber_names_and_types_by_node),
        ('reply', client.node.get_service_names_and_types_by_node),
    ):
        found[key] = {
            name for node in ('rescene4d', '_rescene4d_requests') for name, _ in ask(node, '/')
        }
    return found


def test_node_may_do_what_it_does_and_no_more(graph):
    """A missing name would stop the node, one too many would be a hole."""
    assert allowed('node', publish='ALLOW') - TF == graph['publish'] - TF
    assert allowed('node', subscribe='ALLOW') - TF == graph['subscribe'] - TF
    assert allowed('node', reply='ALLOW') == graph['reply']


@pytest.mark.parametrize('enclave', ['operator', 'viewer'])
def test_people_get_only_what_the_node_offers(enclave):
    """The viewer changes nothing."""
    assert allowed(enclave, subscribe='ALLOW') <= allowed('node', publish='ALLOW')
    asked = allowed(enclave, request='ALLOW')
    assert asked <= allowed('node', reply='ALLOW')
    changing = {f'/rescene4d/{n}' for n in ('correct_object', 'reprocess', 'change_state')}
    assert (asked & changing == changing) == (enclave == 'operator')
    assert enclave == 'operator' or not asked & changing
    assert allowed(enclave, publish='ALLOW') == {'/rosout', '/parameter_events'}
