"""What debtors answered, and levels whose message did not arrive."""

from dunning_common.migrate import protect, run_script
from dunning_engine.schema import SCHEMA

revision = "engine_0007"
down_revision = "engine_0006"
branch_labels = None
depends_on = None

TABLES = ("response",)


def upgrade() -> None:
    _levels()
    _responses()
    protect(SCHEMA, TABLES)


def _levels() -> None:
    run_script(
        """
        -- delivered: a provider reported that a message of the notice arrived.
        -- bounced: the try went out and nothing arrived; these channels' addresses are dead.
        -- forgiven: contacts changed since, so that those channels may be tried again.
        ALTER TABLE case_level
            ADD COLUMN delivered boolean NOT NULL DEFAULT false,
            ADD COLUMN bounced text[],
            ADD COLUMN forgiven boolean NOT NULL DEFAULT false;
        UPDATE case_level SET delivered = true WHERE channels::text LIKE '%"delivered"%';
        CREATE INDEX case_level_bounced ON case_level (tenant, debtor_id)
            WHERE bounced IS NOT NULL;
        """
    )


def _responses() -> None:
    run_script(
        """
        -- One row per answer of a debtor: what was made of it, and why a person has to look.
        -- state: waiting (for facts that may be on their way), applied, open (for a person),
        -- not_needed. body: the event's own fields, without words, names and addresses.
        CREATE TABLE response (
            tenant text NOT NULL, response_id uuid NOT NULL, debtor_id text NOT NULL,
            kind text NOT NULL, source text NOT NULL, notice_id uuid,
            invoice_ids text[] NOT NULL DEFAULT '{}', body jsonb NOT NULL,
            effective_at timestamptz NOT NULL,
            state text NOT NULL CHECK (state IN ('waiting', 'applied', 'open', 'not_needed')),
            reason text, detail text, hold_ids uuid[] NOT NULL DEFAULT '{}',
            taken_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, response_id)
        );
        CREATE INDEX response_open ON response (tenant, debtor_id)
            WHERE state IN ('waiting', 'open') OR kind = 'dispute';
        CREATE INDEX response_debtor ON response (tenant, debtor_id, taken_at);
        """
    )


def downgrade() -> None:
    raise NotImplementedError("nothing was added that could be in the way")
