"""Whether stated changes happened and true ones were stated."""
