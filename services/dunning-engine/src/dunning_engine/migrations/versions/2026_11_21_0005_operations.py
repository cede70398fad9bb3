"""Operations: what people work on, what they note, who approved, and the audit of every write."""

from dunning_common.migrate import protect, run_script
from dunning_engine.schema import SCHEMA

revision = "engine_0005"
down_revision = "engine_0004"
branch_labels = None
depends_on = None

TABLES = ("debtor_note", "work_mark", "work_rules", "audit_entry")

_AUDITED = (
    # table, its events, its key beside the tenant, columns that are never copied into the audit:
    # free text (it may name people), whole documents, and what only repeats the key
    ("hold", "INSERT OR UPDATE", "hold_id", "reason,note,source,assessment,fingerprint"),
    ("policy", "INSERT", "policy_id,version", "source,document"),
    ("default_policy", "INSERT OR UPDATE", "", ""),
    ("policy_rules", "INSERT", "version", "source,document"),
    ("policy_active", "INSERT OR UPDATE", "policy_id", ""),
    ("policy_activation", "INSERT OR UPDATE", "policy_id,number", "ended_why"),
    ("policy_migration", "INSERT OR UPDATE", "migration_id", ""),
    ("plan_rules", "INSERT OR UPDATE", "", ""),
    ("tenant_clock", "UPDATE OF target", "", "now,settled,steps,trouble,moved_at"),
    ("dunning_case", "UPDATE OF approved", "invoice_id", ""),
    ("debtor_note", "INSERT OR DELETE", "note_id", "words"),
    ("work_mark", "INSERT OR UPDATE", "kind,target", ""),
    ("work_rules", "INSERT OR UPDATE", "", ""),
)


def upgrade() -> None:
    _work()
    _audit()
    protect(SCHEMA, TABLES)
    for table, events, key, hidden in _AUDITED:
        run_script(
            f"""
            CREATE TRIGGER {table}_audit AFTER {events} ON {table} FOR EACH ROW
                WHEN (current_user = '{SCHEMA.api_role}')
                EXECUTE FUNCTION audit_row('{key}', '{hidden}');
            """
        )


def _work() -> None:
    run_script(
        """
        -- Since when a case is where somebody may have to act; NULL elsewhere.
        ALTER TABLE dunning_case ADD COLUMN state_since timestamptz;

        -- What somebody may have to act on; a case in another state is not in it.
        CREATE INDEX dunning_case_work ON dunning_case (tenant, state, state_reason, due_on)
            WHERE live AND state IN ('waiting', 'held', 'blocked', 'awaiting_approval', 'exhausted');
        -- Words that were not kept, by when it was known.
        CREATE INDEX hold_broken ON hold (tenant, released_at)
            WHERE outcome IN ('broken', 'partly_kept');

        -- What people write about a debtor. written_at is the tenant's clock.
        CREATE TABLE debtor_note (
            tenant text NOT NULL, note_id uuid NOT NULL, debtor_id text NOT NULL,
            invoice_id text, words text NOT NULL,
            written_at timestamptz NOT NULL, written_by text NOT NULL,
            PRIMARY KEY (tenant, note_id), FOREIGN KEY (tenant, debtor_id) REFERENCES account
        );
        CREATE INDEX debtor_note_time ON debtor_note (tenant, debtor_id, written_at, note_id);

        -- What people said about an item of the work list. The items themselves are not stored:
        -- they are what the facts say now, so they come and go by themselves.
        CREATE TABLE work_mark (
            tenant text NOT NULL, kind text NOT NULL, target text NOT NULL,
            assignee text, snoozed_until date, done_at timestamptz,
            marked_at timestamptz NOT NULL, marked_by text NOT NULL,
            PRIMARY KEY (tenant, kind, target)
        );
        -- weights: what a unit of a currency counts in the ranking; without them nothing is
        -- converted. silent_days: after so many days without an action an overdue invoice is listed.
        CREATE TABLE work_rules (
            tenant text PRIMARY KEY, weights jsonb NOT NULL DEFAULT '{}',
            silent_days integer NOT NULL CHECK (silent_days > 0)
        );
        """
    )


def _audit() -> None:
    run_script(
        """
        -- Every write of the API, in its transaction; real time. before, after: only what changed.
        CREATE TABLE audit_entry (
            tenant text NOT NULL, position bigint GENERATED ALWAYS AS IDENTITY,
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            subject text NOT NULL, action text NOT NULL, target text NOT NULL, debtor_id text,
            context text, before jsonb, after jsonb,
            PRIMARY KEY (tenant, position)
        );
        CREATE INDEX audit_entry_debtor ON audit_entry (tenant, debtor_id, position);
        CREATE INDEX audit_entry_subject ON audit_entry (tenant, subject, position);
        CREATE INDEX audit_entry_action ON audit_entry (tenant, action, position);
        CREATE INDEX audit_entry_target ON audit_entry (tenant, target, position);

        CREATE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the audit is only ever added to' USING ERRCODE = 'restrict_violation';
        END $$;
        CREATE TRIGGER audit_entry_kept BEFORE UPDATE OR DELETE ON audit_entry
            FOR EACH ROW EXECUTE FUNCTION keep_audit();

        -- Arguments: the columns of the key, and those that are left out, both comma-separated.
        -- app.subject is who asked, app.context what the write is a part of.
        CREATE FUNCTION audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            hidden text[] := string_to_array(TG_ARGV[1], ',') || '{tenant}';
            old_row jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
            new_row jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
            either jsonb := old_row || new_row;
            was jsonb;
            is_now jsonb;
        BEGIN
            SELECT jsonb_strip_nulls(jsonb_object_agg(key, old_row -> key)),
                jsonb_object_agg(key, new_row -> key)
                    FILTER (WHERE TG_OP = 'UPDATE' OR either -> key <> 'null')
            INTO was, is_now FROM jsonb_object_keys(either - hidden) AS key
            WHERE old_row -> key IS DISTINCT FROM new_row -> key;
            IF is_now IS NULL AND TG_OP = 'UPDATE' THEN
                RETURN NULL;
            END IF;
            INSERT INTO audit_entry (tenant, subject, action, target, debtor_id, context, before, after)
            SELECT either ->> 'tenant',
                coalesce(nullif(current_setting('app.subject', true), ''), 'unknown'),
                TG_TABLE_NAME || '.' || lower(TG_OP),
                coalesce((SELECT string_agg(either ->> part, '/' ORDER BY place)
                    FROM unnest(string_to_array(TG_ARGV[0], ',')) WITH ORDINALITY AS k (part, place)
                ), ''),
                either ->> 'debtor_id',
                nullif(current_setting('app.context', true), ''),
                CASE WHEN TG_OP <> 'INSERT' THEN was END,
                CASE WHEN TG_OP <> 'DELETE' THEN is_now END;
            RETURN NULL;
        END $$;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("an audit is not thrown away")
