"""Add look-alikes to links, aliases, notes of people, and what undoing needs."""

from alembic import op
import sqlalchemy as sa

revision, down_revision = '2', None


def upgrade() -> None:
    """Change the tables."""
    for table in ('objects', 'observations'):
        op.add_column(
            table, sa.Column('alternatives', sa.Text, nullable=False, server_default='[]')
        )
    op.create_table(
        'aliases',
        sa.Column('alias_id', sa.Integer, primary_key=True, autoincrement=False),
        sa.Column('object_id', sa.Integer, nullable=False),
        sa.Column('visit_id', sa.Integer, nullable=False),
    )
    op.create_table(
        'notes',
        sa.Column('object_id', sa.Integer, primary_key=True, autoincrement=False),
        sa.Column('name', sa.Text, nullable=False, server_default=''),
        sa.Column('is_locked', sa.Integer, nullable=False, server_default='0'),
    )
    op.create_table(
        'undo',
        sa.Column(
            'entry_id',
            sa.Integer,
            sa.ForeignKey('journal.entry_id'),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column('before', sa.LargeBinary, nullable=False),
    )
