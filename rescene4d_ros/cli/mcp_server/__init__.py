"""`rescene4d mcp`: a memory as tools of an assistant."""
