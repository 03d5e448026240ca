"""`rescene4d archive`: one action on many memories, by several processes or a Ray cluster."""
