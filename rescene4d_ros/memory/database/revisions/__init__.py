"""Steps from one schema of the tables to the next, run by Alembic; each as of its version."""
