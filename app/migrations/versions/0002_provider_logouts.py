"""What identity providers call their sessions, and what they have ended."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("usher_sign_ins", sa.Column("sid", sa.String(255)))
    op.add_column("usher_sign_ins", sa.Column("id_token", sa.Text))
    op.create_index("usher_sign_ins_sid", "usher_sign_ins", ["provider", "sid"])
    op.create_table(
        "usher_replays",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    op.create_index("usher_replays_expires_at", "usher_replays", ["expires_at"])
    op.create_table(
        "usher_logouts",
        sa.Column("provider", sa.String(64), primary_key=True),
        sa.Column("ended", sa.String(300), primary_key=True),
        sa.Column("issued_at", sa.Double, nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
    )
