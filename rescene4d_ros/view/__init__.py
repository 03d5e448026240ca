"""Pictures of clouds, objects and changes for people; knows no network, no store and no ROS."""
