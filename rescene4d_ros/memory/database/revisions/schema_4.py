"""Add a checksum to every row; `migrate` fills it in after the last step."""

from alembic import op
import sqlalchemy as sa

revision, down_revision = '4', '3'

TABLES = (
    'meta',
    'visits',
    'objects',
    'observations',
    'states',
    'changes',
    'labels',
    'journal',
    'aliases',
    'notes',
    'undo',
)


def upgrade() -> None:
    """Change the tables."""
    for table in TABLES:
        op.add_column(
            table, sa.Column('checksum', sa.BigInteger, nullable=False, server_default='0')
        )
