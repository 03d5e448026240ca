"""Pictures of clouds, objects and changes for people; knows no network, no memory and no ROS."""
