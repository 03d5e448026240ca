"""The commands of a fleet: `deposit` for robots, `worker` for machines that process, `fleet`."""
