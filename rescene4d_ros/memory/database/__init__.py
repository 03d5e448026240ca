"""The database of a memory: schema, rows, transactions and locks."""
