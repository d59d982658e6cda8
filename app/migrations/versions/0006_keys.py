"""Which keys are in force."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "usher_keys",
        sa.Column("purpose", sa.String(16), primary_key=True),
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("staged_at", sa.Double, nullable=False),
        sa.Column("confirmed_at", sa.Double),
        sa.Column("switched_at", sa.Double),
        sa.Column("retired_at", sa.Double),
    )
    op.create_index(
        "usher_keys_one_of_each",
        "usher_keys",
        ["purpose", "state"],
        unique=True,
        sqlite_where=sa.text("state != 'retired'"),
        postgresql_where=sa.text("state != 'retired'"),
    )
