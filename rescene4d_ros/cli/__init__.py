"""The `rescene4d` command: a module per sub-command, with `add_arguments` and `run`."""
