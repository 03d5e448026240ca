"""What RViz shows of a memory: shapes of objects and changes, and what of them to send."""
