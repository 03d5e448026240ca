"""
Send a robot with Nav2 to where an object is: the nearest of a class, or one by its id.

python3 examples/go_to_object.py chair
python3 examples/go_to_object.py 7 --robot 1.0 2.0

Needs the running node, and Nav2 with its action /navigate_to_pose; --dry-run only prints.
"""

import argparse
import math
import sys

from action_msgs.msg import GoalStatus
from geometry_msgs.msg import Point, PoseStamped
import rclpy
from rclpy.action import ActionClient
from rescene4d_ros.srv import ApproachObject, QueryObjects

PATIENCE = 10.0  # s


def call(node, kind, name, request):
    """Call a service of the node and return its answer; exit where it is refused."""
    client = node.create_client(kind, name)
    if not client.wait_for_service(PATIENCE):
        sys.exit(f'expected the service {name}, found none; start the node')
    future = client.call_async(request)
    rclpy.spin_until_future_complete(node, future)
    answer = future.result()
    if not answer.success:
        sys.exit(answer.message)
    return answer


def find_goal(node, options):
    """Return the pose before the likeliest nearest object, and its id."""
    here = Point(x=options.robot[0], y=options.robot[1], z=0.0)
    wanted = QueryObjects.Request(has_point=True, point=here)
    if options.object.isdigit():
        wanted.object_id = int(options.object)
    else:
        wanted.class_name = options.object
    found = call(node, QueryObjects, '/rescene4d/query_objects', wanted).objects
    likely = [place for place in found if place.still_there >= options.least]
    if not likely:
        sys.exit(f'no {options.object} is there with a probability of {options.least:g} or more')
    chosen = likely[0]
    request = ApproachObject.Request(
        object_id=chosen.object_id, has_robot=True, robot=here, robot_radius=options.radius
    )
    answer = call(node, ApproachObject, '/rescene4d/approach_object', request)
    goal = PoseStamped(header=answer.header, pose=answer.pose)
    goal.header.stamp = node.get_clock().now().to_msg()
    at, turn = goal.pose.position, goal.pose.orientation
    print(
        f'object {chosen.object_id} ({chosen.still_there:.2f}): go to ({at.x:.2f}, {at.y:.2f}), '
        f'yaw {2 * math.atan2(turn.z, turn.w):.2f}, in {goal.header.frame_id}'
    )
    return goal


def go(node, goal):
    """Send Nav2 to a pose and wait; exit where it refuses or does not arrive."""
    from nav2_msgs.action import NavigateToPose  # only a machine with Nav2 has it

    robot = ActionClient(node, NavigateToPose, '/navigate_to_pose')
    if not robot.wait_for_server(PATIENCE):
        sys.exit('expected the action /navigate_to_pose of Nav2, found none; start Nav2')
    sent = robot.send_goal_async(NavigateToPose.Goal(pose=goal))
    rclpy.spin_until_future_complete(node, sent)
    handle = sent.result()
    if not handle.accepted:
        sys.exit('Nav2 refused the goal; its log says why')
    arrived = handle.get_result_async()
    rclpy.spin_until_future_complete(node, arrived)
    answer = arrived.result()
    if answer.status != GoalStatus.STATUS_SUCCEEDED:
        sys.exit(f'not arrived: error {answer.result.error_code} {answer.result.error_msg}')
    print('arrived')


def main():
    """Find the object, ask for a pose before it, and go there."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('object', help='id or class')
    parser.add_argument('--robot', nargs=2, type=float, default=(0.0, 0.0), metavar=('X', 'Y'))
    parser.add_argument('--radius', type=float, default=0.3, help='of the robot, m')
    parser.add_argument('--least', type=float, default=0.3, help='that it is still there, 0..1')
    parser.add_argument('--dry-run', action='store_true')
    options = parser.parse_args()
    rclpy.init()
    node = rclpy.create_node('go_to_object')
    goal = find_goal(node, options)
    if not options.dry_run:
        go(node, goal)
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
