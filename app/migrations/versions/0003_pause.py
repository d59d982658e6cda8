"""The kill switch."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "usher_pause",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("message", sa.String(200), nullable=False),
        sa.Column("since", sa.Double, nullable=False),
    )
