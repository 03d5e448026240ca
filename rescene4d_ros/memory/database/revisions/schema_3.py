"""Add the indexes by which queries find changes and aliases."""

from alembic import op

revision, down_revision = '3', '2'


def upgrade() -> None:
    """Change the tables."""
    op.create_index('changes_by_visit', 'changes', ['visit_id'])
    op.create_index('changes_by_object', 'changes', ['object_id'])
    op.create_index('aliases_by_object', 'aliases', ['object_id'])
