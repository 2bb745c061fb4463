"""Second factors of members."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("members", sa.Column("totp_secret", sa.LargeBinary()))
    op.add_column("members", sa.Column("totp_confirmed_at", sa.DateTime(timezone=True)))
    op.add_column("members", sa.Column("totp_last_step", sa.BigInteger()))
    op.add_column(
        "members",
        sa.Column("recovery_hashes", sa.ARRAY(sa.LargeBinary()), server_default="{}", nullable=False),
    )
