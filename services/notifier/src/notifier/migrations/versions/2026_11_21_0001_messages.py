"""Tenants, sealed contacts, notices, messages with their attempts, provider events."""

from alembic import op

from dunning_common.migrate import create_flow_tables, protect, run_script
from notifier.schema import SCHEMA

revision = "0001"
down_revision = None

TABLES = ("tenant", "contact", "notice", "message", "attempt", "provider_event")


def upgrade() -> None:
    create_flow_tables(SCHEMA)
    run_script(
        """
        CREATE TABLE tenant (
            tenant text PRIMARY KEY,
            body jsonb NOT NULL,
            updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
        );
        COMMENT ON TABLE tenant IS 'Who the creditor is, as last told by tenants.v1.';

        CREATE TABLE contact (
            tenant text NOT NULL, debtor_id text NOT NULL,
            key_id text NOT NULL, ciphertext text,
            updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, debtor_id)
        );
        COMMENT ON COLUMN contact.ciphertext IS 'Sealed with the debtor''s key; NULL once erased.';

        CREATE TABLE notice (
            tenant text NOT NULL, notice_id uuid NOT NULL, debtor_id text NOT NULL,
            body jsonb NOT NULL, causation uuid,
            revoked text[] NOT NULL DEFAULT '{}',
            requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, notice_id)
        );

        CREATE TABLE message (
            tenant text NOT NULL, message_id uuid NOT NULL,
            seq bigint GENERATED ALWAYS AS IDENTITY,
            notice_id uuid NOT NULL, debtor_id text NOT NULL,
            channel text NOT NULL, template text NOT NULL,
            level text NOT NULL, level_no integer NOT NULL,
            invoice_ids text[] NOT NULL, effective_at timestamptz NOT NULL,
            state text NOT NULL DEFAULT 'planned' CHECK (state IN
                ('planned', 'sending', 'sent', 'failed', 'unknown', 'suppressed', 'returned')),
            reason text,
            fence bigint NOT NULL DEFAULT 0,
            lease_until timestamptz, claimed_at timestamptz, claimed_by text,
            attempts integer NOT NULL DEFAULT 0,
            not_before timestamptz NOT NULL DEFAULT clock_timestamp(),
            planned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            media_type text, content bytea, sha256 text, size_bytes integer,
            recipient_hash text, provider text, provider_ref text,
            cost_minor integer, stage smallint NOT NULL DEFAULT 0,
            sent_at timestamptz, settled_at timestamptz,
            PRIMARY KEY (tenant, message_id),
            UNIQUE NULLS NOT DISTINCT (tenant, notice_id, channel, recipient_hash),
            FOREIGN KEY (tenant, notice_id) REFERENCES notice (tenant, notice_id),
            CHECK (state <> 'sending' OR (content IS NOT NULL AND lease_until IS NOT NULL))
        );
        COMMENT ON COLUMN message.content IS
            'The exact bytes, deflated and sealed with the debtor''s key: destroying it erases them.';
        COMMENT ON COLUMN message.lease_until IS
            'planned: until when a worker prepares it; sending: after this it becomes unknown.';
        ALTER TABLE message ALTER COLUMN content SET STORAGE EXTERNAL;
        CREATE INDEX message_due ON message (not_before, seq) WHERE state = 'planned';
        CREATE INDEX message_on_the_wire ON message (lease_until) WHERE state = 'sending';
        CREATE INDEX message_debtor_planned ON message (tenant, debtor_id) WHERE state = 'planned';
        CREATE INDEX message_page ON message (tenant, seq);
        CREATE INDEX message_unknown ON message (tenant, seq) WHERE state = 'unknown';
        CREATE INDEX message_invoices ON message USING gin (invoice_ids);

        CREATE TABLE attempt (
            tenant text NOT NULL, message_id uuid NOT NULL,
            n bigint GENERATED ALWAYS AS IDENTITY,
            fence bigint NOT NULL, phase text NOT NULL, reason text,
            provider text, sha256 text, actor text,
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, message_id, n)
        );
        COMMENT ON TABLE attempt IS 'What happened to each message, in order; only ever added to.';

        CREATE TABLE provider_event (
            tenant text NOT NULL, provider text NOT NULL, event_id text NOT NULL,
            message_id uuid, provider_ref text, kind text NOT NULL, stage smallint NOT NULL,
            hard boolean NOT NULL DEFAULT false, body jsonb NOT NULL,
            received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            applied_at timestamptz, verdict text,
            PRIMARY KEY (tenant, provider, event_id)
        );
        CREATE INDEX provider_event_new ON provider_event (received_at) WHERE applied_at IS NULL;
        CREATE INDEX provider_event_message ON provider_event (tenant, message_id);
        """
    )
    protect(SCHEMA, TABLES)
    for role in (SCHEMA.api_role, SCHEMA.worker_role):
        op.execute(f"REVOKE UPDATE, DELETE ON attempt FROM {role}")
        op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {SCHEMA.schema} TO {role}")
