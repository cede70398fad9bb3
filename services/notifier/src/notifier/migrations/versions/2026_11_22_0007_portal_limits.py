"""How often a link and an address were used lately, in all processes; links that expired, by date."""

from alembic import op

from dunning_common.migrate import run_script
from notifier.schema import SCHEMA

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Count visits in one place, and find what can be thrown away."""
    run_script(
        """
        CREATE UNLOGGED TABLE portal_visit (
            name bytea PRIMARY KEY CHECK (length(name) = 32),
            full_at timestamptz NOT NULL, span interval NOT NULL
        ) WITH (fillfactor = 50);
        COMMENT ON TABLE portal_visit IS
            'A bucket for each link and address that asked lately; a crash may empty it.';
        COMMENT ON COLUMN portal_visit.name IS 'SHA-256 of what is counted.';
        COMMENT ON COLUMN portal_visit.full_at IS
            'When the bucket is full again, as if it had never been used.';
        COMMENT ON COLUMN portal_visit.span IS 'How long an empty bucket takes to fill.';

        CREATE INDEX portal_link_expiry ON portal_link
            USING brin (expires_at) WITH (autosummarize = on);
        """
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON portal_visit TO {SCHEMA.worker_role}")
