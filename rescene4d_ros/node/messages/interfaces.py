"""Every topic and service of the node, said once: the node, its tests and the README read it."""

from __future__ import annotations

from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Path
from nav_msgs.srv import GetMap
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from rescene4d_ros.msg import ObservedSpace, SceneChangeArray, SceneObjectArray
from rescene4d_ros.srv import (
    ApproachObject,
    AskMemory,
    CorrectObject,
    KeepOutShapes,
    ListMemories,
    LoadMemory,
    MoveMap,
    ObjectHistory,
    QueryChanges,
    QueryObjects,
    Reprocess,
)
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

NODE_NAME = 'rescene4d'


@dataclass(frozen=True)
class Topic:
    """
    Describe one topic.

    Attributes
    ----------
    name : str
        As given to rclpy: relative, or private with `~/`.
    type : type
        Message class.
    direction : str
        'in' or 'out', as the node sees it.
    reliability : str
        'reliable' or 'best_effort'.
    durability : str
        'volatile', or 'transient_local': who joins late gets the last `depth` messages.
    depth : int
    text : str
        What it carries, for people.
    deadline : float, s
        A message comes at least as often, and the process that publishes is known to be gone as
        soon; 0 = neither is promised.

    """

    name: str
    type: type
    direction: str
    reliability: str
    durability: str
    depth: int
    text: str
    deadline: float = 0.0

    def qos(
        self,
        reliability: str | None = None,
        depth: int | None = None,
        durability: str | None = None,
    ) -> QoSProfile:
        """Return the rclpy profile, with what the user may choose replaced where given."""
        profile = QoSProfile(
            depth=depth or self.depth,
            reliability=ReliabilityPolicy[(reliability or self.reliability).upper()],
            durability=DurabilityPolicy[(durability or self.durability).upper()],
        )
        if self.deadline:
            profile.deadline = profile.liveliness_lease_duration = Duration(seconds=self.deadline)
            profile.liveliness = LivelinessPolicy.AUTOMATIC
        return profile


@dataclass(frozen=True)
class ServiceEntry:
    """Describe one service: name as given to rclpy, class, and a sentence for people."""

    name: str
    type: type
    text: str


SNAPSHOTS = Topic(
    'snapshots',
    PointCloud2,
    'in',
    'reliable',
    'volatile',
    5,
    'One registered cloud per visit: x, y, z in meters, optional rgb. Every message is a visit, '
    'and its stamp is the time of the visit',
)
OBJECTS = Topic(
    '~/objects',
    SceneObjectArray,
    'out',
    'reliable',
    'transient_local',
    1,
    'All objects of the memory: persistent id, class, state, box, times',
)
MARKERS = Topic(
    '~/markers',
    MarkerArray,
    'out',
    'reliable',
    'transient_local',
    10,
    'The same for RViz and Foxglove, with the changes of the newest visit: what differs from the '
    'message before, and everything for each new viewer and in every tenth message',
)
CHANGES = Topic(
    '~/changes',
    SceneChangeArray,
    'out',
    'reliable',
    'transient_local',
    100,
    'Changes of one visit, once per processed visit; with `visit_id` 0 that the map frame moved '
    '(`~/move_map`). After a gap in `revision` read `~/objects` again. A volatile subscriber gets '
    'only later messages',
)
SEGMENTED_CLOUD = Topic(
    '~/segmented_cloud',
    PointCloud2,
    'out',
    'reliable',
    'transient_local',
    1,
    'The newest visit with x, y, z, rgb, instance (persistent id, 0 = none), class (-1 = none) '
    'and score per point',
)
DIAGNOSTICS = Topic(
    '/diagnostics',
    DiagnosticArray,
    'out',
    'reliable',
    'volatile',
    1,
    'Scans, inference and memory, once per second',
)
HEARTBEAT = Topic(
    '~/heartbeat',
    DiagnosticStatus,
    'out',
    'reliable',
    'volatile',
    1,
    'Twice per second: the state of the life cycle, and the worst level of `/diagnostics`; offers '
    'a deadline and a liveliness of 2 s',
    deadline=2.0,
)
PATH = Topic(
    '~/path',
    Path,
    'out',
    'reliable',
    'transient_local',
    1,
    'Where the sensor was at the keyframes of the newest visit; positions alone',
)
LEFT_OUT = Topic(
    '~/left_out',
    PointCloud2,
    'out',
    'reliable',
    'transient_local',
    1,
    'Where the newest visit measured something that its snapshot lacks: observed too briefly, or '
    'looked through since, as people are',
)
OBSERVED_SPACE = Topic(
    'observed_space',
    ObservedSpace,
    'out',
    'reliable',
    'transient_local',
    1,
    'Where the sensor was during a visit, and which cells it looked through; beside the snapshot '
    'of the same stamp',
)
TOPICS = (SNAPSHOTS, OBJECTS, MARKERS, CHANGES, SEGMENTED_CLOUD, DIAGNOSTICS, HEARTBEAT)

REPROCESS = ServiceEntry(
    '~/reprocess',
    Reprocess,
    'Process all stored visits, or those from one on, again in the order of their stamps; '
    'needed after a late visit',
)
QUERY_OBJECTS = ServiceEntry(
    '~/query_objects',
    QueryObjects,
    'Where objects are and since when, now or at a visit or time: one by id, those of a class, '
    'or all; in a zone or box, nearest to a point; with the probability that they are still there',
)
QUERY_CHANGES = ServiceEntry(
    '~/query_changes', QueryChanges, 'Changes between two visits or times'
)
OBJECT_HISTORY = ServiceEntry(
    '~/object_history',
    ObjectHistory,
    'History of one object: state per visit and reasons of links',
)
ASK_MEMORY = ServiceEntry(
    '~/ask_memory', AskMemory, 'A question in plain English, answered in sentences and as facts'
)
CORRECT_OBJECT = ServiceEntry(
    '~/correct_object',
    CorrectObject,
    'Rename, merge, split, lock or unlock an object, undo the latest correction, or exclude or '
    'include a visit',
)
APPROACH_OBJECT = ServiceEntry(
    '~/approach_object', ApproachObject, 'A free pose from which a robot reaches an object'
)
KEEP_OUT_SHAPES = ServiceEntry(
    '~/keep_out_shapes',
    KeepOutShapes,
    'Polygons around the objects that are probably there, for costmaps',
)
CHANGE_GRID = ServiceEntry(
    '~/change_grid', GetMap, 'Percentage of the visits that found a change, for each place'
)
LIST_MEMORIES = ServiceEntry(
    '~/list_memories', ListMemories, 'The memories in the folder that holds the one in use'
)
LOAD_MEMORY = ServiceEntry(
    '~/load_memory', LoadMemory, 'Use another memory of that folder, without a restart'
)
MOVE_MAP = ServiceEntry(
    '~/move_map', MoveMap, 'The map frame moved, as by a loop closure: the memory follows'
)
PAUSE = ServiceEntry('~/pause', Trigger, 'Take no more snapshots; each is counted as refused')
RESUME = ServiceEntry('~/resume', Trigger, 'Take snapshots again')
SAVE = ServiceEntry(
    '~/save', Trigger, 'Write everything into the files of the memory, before power goes off'
)
SERVICES = (
    REPROCESS,
    QUERY_OBJECTS,
    QUERY_CHANGES,
    OBJECT_HISTORY,
    ASK_MEMORY,
    CORRECT_OBJECT,
    APPROACH_OBJECT,
    KEEP_OUT_SHAPES,
    CHANGE_GRID,
    LIST_MEMORIES,
    LOAD_MEMORY,
    MOVE_MAP,
    PAUSE,
    RESUME,
    SAVE,
)
BUILD_VISIT = '~/build_visit'  # action of visit_builder: one visit, with progress
REPROCESS_VISITS = '~/reprocess_visits'  # action: as ~/reprocess, with progress


def type_name(cls: type) -> str:
    """Return the interface type as ROS tools write it, such as `sensor_msgs/msg/PointCloud2`."""
    package, kind, *_ = cls.__module__.split('.')
    return f'{package}/{kind}/{cls.__name__}'
