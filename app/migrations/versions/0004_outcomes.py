"""What became of tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "usher_outcomes",
        sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("event", sa.String(16), primary_key=True),
        sa.Column("label", sa.String(200), primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "usher_outcome_failures",
        sa.Column("support_id", sa.String(11), primary_key=True),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
    )
    op.create_index("usher_outcome_failures_time", "usher_outcome_failures", ["time"])
    op.create_table(
        "usher_outcome_reports",
        sa.Column("support_id", sa.String(11), primary_key=True),
        sa.Column("time", sa.Double, nullable=False),
    )
    op.create_index("usher_outcome_reports_time", "usher_outcome_reports", ["time"])
