"""The database of a memory: schema, rows, transactions, locks; knows no reasoning."""
