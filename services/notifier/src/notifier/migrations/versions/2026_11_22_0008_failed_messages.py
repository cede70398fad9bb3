"""The failed messages of a tenant, for people who look at the latest of them."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the index behind the list of failed messages and their count."""
    op.execute("CREATE INDEX message_failed ON message (tenant, seq) WHERE state = 'failed'")
