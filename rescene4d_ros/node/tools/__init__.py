"""ROS programs beside the node: bag player, recorder, tables of the reference."""
