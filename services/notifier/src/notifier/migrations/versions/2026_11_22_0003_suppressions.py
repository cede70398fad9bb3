"""Addresses that must not be written to, what came in by reply, and what a person must look at."""

from alembic import op

from dunning_common.migrate import protect, run_script
from notifier.schema import SCHEMA

revision = "0003"
down_revision = "0002"

TABLES = ("suppression", "suppression_log", "inbound", "feedback_issue")


def upgrade() -> None:
    run_script(
        """
        ALTER TABLE provider_event
            ADD COLUMN bounce_class text,
            ADD COLUMN recipient_hash text,
            ADD COLUMN occurred_at timestamptz,
            ADD COLUMN trusted boolean NOT NULL DEFAULT true;
        COMMENT ON COLUMN provider_event.trusted IS
            'Whether it may condemn an address: not when only the recipient matched.';
        CREATE INDEX message_recipient ON message (tenant, recipient_hash, planned_at)
            WHERE recipient_hash IS NOT NULL;

        CREATE TABLE suppression (
            tenant text NOT NULL, channel text NOT NULL, recipient_hash text NOT NULL,
            cause text NOT NULL CHECK (cause IN ('hard_bounce', 'complaint', 'opt_out', 'person')),
            source text NOT NULL, debtor_id text, note text NOT NULL DEFAULT '',
            since timestamptz NOT NULL, seq bigint GENERATED ALWAYS AS IDENTITY,
            PRIMARY KEY (tenant, channel, recipient_hash, cause)
        );
        COMMENT ON TABLE suppression IS
            'Addresses, as hashes, that must not be written to on a channel; one row per cause.';
        CREATE INDEX suppression_page ON suppression (tenant, seq);

        CREATE TABLE suppression_log (
            tenant text NOT NULL, n bigint GENERATED ALWAYS AS IDENTITY,
            channel text NOT NULL, recipient_hash text NOT NULL, cause text NOT NULL,
            action text NOT NULL CHECK (action IN ('added', 'lifted')),
            source text NOT NULL, note text NOT NULL DEFAULT '',
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, n)
        );
        COMMENT ON TABLE suppression_log IS 'Who suppressed and who lifted what; only added to.';
        CREATE INDEX suppression_log_address
            ON suppression_log (tenant, channel, recipient_hash, cause, at);

        CREATE TABLE inbound (
            tenant text NOT NULL, inbound_id uuid NOT NULL,
            seq bigint GENERATED ALWAYS AS IDENTITY,
            source text NOT NULL, external_id text NOT NULL, channel text NOT NULL,
            content_type text NOT NULL, raw bytea,
            mail_key text, kind text, verdict text,
            message_id uuid, notice_id uuid, debtor_id text, sender_hash text,
            received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            tried_at timestamptz, read_at timestamptz,
            PRIMARY KEY (tenant, inbound_id),
            UNIQUE (tenant, source, external_id)
        );
        COMMENT ON COLUMN inbound.raw IS
            'As it came; dropped once it was understood. Words stay sealed in the table response.';
        CREATE INDEX inbound_new ON inbound (tried_at NULLS FIRST, seq) WHERE read_at IS NULL;
        CREATE INDEX inbound_stranger ON inbound (received_at)
            WHERE raw IS NOT NULL AND read_at IS NOT NULL;
        CREATE UNIQUE INDEX inbound_mail ON inbound (tenant, mail_key) WHERE mail_key IS NOT NULL;
        CREATE INDEX inbound_message ON inbound (tenant, message_id);
        CREATE INDEX inbound_page ON inbound (tenant, seq);

        CREATE TABLE feedback_issue (
            tenant text NOT NULL, issue_id uuid NOT NULL,
            seq bigint GENERATED ALWAYS AS IDENTITY,
            kind text NOT NULL, ref text NOT NULL, source text NOT NULL,
            detail text NOT NULL DEFAULT '', excerpt text NOT NULL DEFAULT '',
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            closed_at timestamptz, closed_by text, note text NOT NULL DEFAULT '',
            PRIMARY KEY (tenant, issue_id),
            UNIQUE (tenant, kind, source, ref)
        );
        COMMENT ON TABLE feedback_issue IS
            'What came in and could not be understood or matched; without personal data.';
        CREATE INDEX feedback_issue_page ON feedback_issue (tenant, seq) WHERE closed_at IS NULL;
        """
    )
    protect(SCHEMA, TABLES)
    for role in (SCHEMA.api_role, SCHEMA.worker_role):
        op.execute(f"REVOKE UPDATE, DELETE ON suppression_log FROM {role}")
        op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {SCHEMA.schema} TO {role}")
