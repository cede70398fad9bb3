"""What debtors answer: links to the portal, its settings, responses with their notes and files."""

from alembic import op

from dunning_common.migrate import protect, run_script
from notifier.schema import SCHEMA

revision = "0002"
down_revision = "0001"

TABLES = ("portal_link", "portal_settings", "response", "response_file", "response_log")


def upgrade() -> None:
    run_script(
        """
        CREATE TABLE portal_link (
            tenant text NOT NULL, link_id uuid NOT NULL,
            token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
            debtor_id text NOT NULL, invoice_ids text[],
            notice_id uuid, message_id uuid, channel text,
            made_by text NOT NULL,
            made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            expires_at timestamptz NOT NULL,
            revoked_at timestamptz, revoked_by text,
            PRIMARY KEY (tenant, link_id)
        );
        COMMENT ON TABLE portal_link IS
            'Links to a debtor''s own page; of a message, link_id is the message''s id.';
        COMMENT ON COLUMN portal_link.token_hash IS 'SHA-256 of the token, which is kept nowhere.';
        COMMENT ON COLUMN portal_link.invoice_ids IS 'NULL: all that the debtor owes.';
        CREATE INDEX portal_link_token ON portal_link (token_hash);
        CREATE INDEX portal_link_debtor ON portal_link (tenant, debtor_id, made_at);

        CREATE TABLE portal_settings (
            tenant text PRIMARY KEY, document jsonb NOT NULL,
            stored_by text NOT NULL, stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
        );

        CREATE TABLE response (
            tenant text NOT NULL, response_id uuid NOT NULL,
            seq bigint GENERATED ALWAYS AS IDENTITY,
            debtor_id text NOT NULL, notice_id uuid, link_id uuid,
            invoice_ids text[] NOT NULL,
            kind text NOT NULL, source text NOT NULL, channel text,
            facts jsonb NOT NULL DEFAULT '{}', note bytea,
            state text NOT NULL DEFAULT 'received' CHECK (state IN
                ('received', 'proposed', 'accepted', 'rejected')),
            effective_at timestamptz NOT NULL,
            received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, response_id)
        );
        COMMENT ON COLUMN response.facts IS 'What is no personal data: amounts, dates, codes.';
        COMMENT ON COLUMN response.note IS
            'Words, names and addresses as JSON, sealed with the debtor''s key.';
        CREATE INDEX response_page ON response (tenant, seq);
        CREATE INDEX response_debtor ON response (tenant, debtor_id, seq);
        CREATE INDEX response_link ON response (tenant, link_id, received_at);
        CREATE INDEX response_proposed ON response (tenant, seq) WHERE state = 'proposed';

        CREATE TABLE response_file (
            tenant text NOT NULL, response_id uuid NOT NULL, file_no smallint NOT NULL DEFAULT 1,
            media_type text NOT NULL, size_bytes integer NOT NULL, content bytea NOT NULL,
            PRIMARY KEY (tenant, response_id, file_no),
            FOREIGN KEY (tenant, response_id) REFERENCES response ON DELETE CASCADE
        );
        COMMENT ON COLUMN response_file.content IS 'Sealed with the debtor''s key.';
        ALTER TABLE response_file ALTER COLUMN content SET STORAGE EXTERNAL;

        CREATE TABLE response_log (
            tenant text NOT NULL, n bigint GENERATED ALWAYS AS IDENTITY,
            target text NOT NULL, action text NOT NULL, actor text NOT NULL,
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, n)
        );
        COMMENT ON TABLE response_log IS
            'Who read, accepted, rejected, linked or set what, and when; only ever added to.';
        CREATE INDEX response_log_target ON response_log (tenant, target, n);
        """
    )
    protect(SCHEMA, TABLES)
    for role in (SCHEMA.api_role, SCHEMA.worker_role):
        op.execute(f"REVOKE UPDATE, DELETE ON response_log FROM {role}")
        op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {SCHEMA.schema} TO {role}")
