"""From the live clouds of a drive to one registered scan per visit; no ROS, no torch."""
