"""Batches of letters, proofs of posting, calls, spending."""

from alembic import op

from dunning_common.migrate import protect, run_script
from notifier.schema import SCHEMA

revision = "0004"
down_revision = "0003"

TABLES = (
    "letter_batch",
    "message_proof",
    "call_task",
    "call_try",
    "sms_day",
    "sms_taken",
    "inquiry",
)


def upgrade() -> None:
    run_script(
        """
        CREATE TABLE letter_batch (
            tenant text NOT NULL, batch_id uuid NOT NULL,
            seq bigint GENERATED ALWAYS AS IDENTITY,
            channel text NOT NULL,
            state text NOT NULL DEFAULT 'cut' CHECK (state IN ('cut', 'ready', 'handed_over')),
            letters integer NOT NULL, pages integer, size_bytes bigint,
            folder text, checksum text, place text,
            tries integer NOT NULL DEFAULT 0, error text,
            next_try_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            cut_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            ready_at timestamptz, handed_over_at timestamptz,
            PRIMARY KEY (tenant, batch_id)
        );
        COMMENT ON COLUMN letter_batch.checksum IS
            'SHA-256 of the list of files with their checksums: it stands on the cover sheet.';
        COMMENT ON COLUMN letter_batch.state IS
            'cut: its letters are chosen; ready: its folder is whole; handed_over: the printer has it.';
        CREATE INDEX letter_batch_page ON letter_batch (tenant, seq);
        CREATE INDEX letter_batch_due ON letter_batch (next_try_at) WHERE state <> 'handed_over';

        ALTER TABLE message ADD COLUMN batch_id uuid, ADD COLUMN batch_place integer;
        CREATE INDEX message_spooled ON message (tenant, channel, sent_at)
            WHERE state = 'sent' AND provider = 'spool' AND batch_id IS NULL;
        CREATE INDEX message_batch ON message (tenant, batch_id, batch_place)
            WHERE batch_id IS NOT NULL;

        CREATE TABLE message_proof (
            tenant text NOT NULL, proof_id uuid NOT NULL,
            message_id uuid NOT NULL, debtor_id text NOT NULL,
            kind text NOT NULL CHECK (kind IN ('deposit', 'receipt', 'return')),
            happened_on date NOT NULL, reference text NOT NULL DEFAULT '',
            file_name text NOT NULL, media_type text NOT NULL,
            content bytea NOT NULL, sha256 text NOT NULL, size_bytes integer NOT NULL,
            given_by text NOT NULL, given_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, proof_id),
            UNIQUE (tenant, message_id, kind, sha256),
            FOREIGN KEY (tenant, message_id) REFERENCES message (tenant, message_id)
        );
        COMMENT ON COLUMN message_proof.content IS
            'The file, deflated and sealed with the debtor''s key: destroying it erases it.';
        ALTER TABLE message_proof ALTER COLUMN content SET STORAGE EXTERNAL;

        CREATE TABLE call_task (
            tenant text NOT NULL, message_id uuid NOT NULL,
            tries integer NOT NULL DEFAULT 0, next_call_at timestamptz,
            PRIMARY KEY (tenant, message_id),
            FOREIGN KEY (tenant, message_id) REFERENCES message (tenant, message_id)
        );
        COMMENT ON TABLE call_task IS 'Calls that were tried and did not get through yet.';
        CREATE TABLE call_try (
            tenant text NOT NULL, message_id uuid NOT NULL,
            n bigint GENERATED ALWAYS AS IDENTITY,
            outcome text NOT NULL, note text, person text NOT NULL,
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, message_id, n),
            FOREIGN KEY (tenant, message_id) REFERENCES message (tenant, message_id)
        );
        COMMENT ON TABLE call_try IS 'What each call came to, in order; only ever added to.';
        CREATE INDEX message_calls ON message (tenant, seq)
            WHERE channel = 'call' AND state = 'planned';
        CREATE INDEX message_in_app ON message (tenant, seq)
            WHERE channel = 'in_app' AND state = 'sent' AND stage < 2;

        CREATE TABLE sms_day (
            tenant text NOT NULL, day date NOT NULL,
            spent_minor bigint NOT NULL DEFAULT 0, messages integer NOT NULL DEFAULT 0,
            PRIMARY KEY (tenant, day)
        );
        CREATE TABLE sms_taken (
            tenant text NOT NULL, message_id uuid NOT NULL,
            number_hash text NOT NULL, cost_minor integer NOT NULL,
            taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, message_id)
        );
        COMMENT ON TABLE sms_taken IS 'Texts that were let go under the limits, each counted once.';
        CREATE INDEX sms_taken_number ON sms_taken (tenant, number_hash, taken_at);

        CREATE TABLE inquiry (
            tenant text NOT NULL, message_id uuid NOT NULL,
            times integer NOT NULL DEFAULT 0, answer text,
            next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, message_id)
        );
        COMMENT ON TABLE inquiry IS 'When a provider is asked again what became of a message.';
        CREATE INDEX message_open_end ON message (settled_at)
            WHERE state = 'sent' AND stage < 2 AND channel IN ('letter', 'registered_letter');
        """
    )
    protect(SCHEMA, TABLES)
    for role in (SCHEMA.api_role, SCHEMA.worker_role):
        op.execute(f"REVOKE UPDATE, DELETE ON call_try FROM {role}")
        op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {SCHEMA.schema} TO {role}")
