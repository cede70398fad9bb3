"""Holds of every kind: several invoices, disputes, promises, plans; and what a tenant allows."""

from dunning_common.migrate import protect, run_script
from dunning_engine.schema import SCHEMA

revision = "engine_0003"
down_revision = "engine_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _holds()
    _indexes()
    run_script(
        """
        -- What a tenant allows when debtors ask to pay in parts; without a row the defaults hold.
        CREATE TABLE plan_rules (
            tenant text PRIMARY KEY, document jsonb NOT NULL, stored_by text NOT NULL,
            stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
        );
        """
    )
    protect(SCHEMA, ("plan_rules",))


def _holds() -> None:
    # Changed in place: row-level security would hide the rows from an UPDATE by their own owner.
    run_script(
        """
        ALTER TABLE hold RENAME COLUMN invoice_id TO invoice_ids;
        ALTER TABLE hold ALTER COLUMN invoice_ids TYPE text[]
            USING CASE WHEN invoice_ids IS NULL THEN '{}' ELSE ARRAY[invoice_ids] END;

        -- No invoice_ids: all of the debtor's. Amounts are minor units of currency.
        -- disputed_minor: without it the whole of the invoice is disputed.
        -- baseline_minor: what the covered invoices owed when it was placed.
        -- assessment: how a plan was scored. fingerprint: of the request that placed it.
        -- outcome, paid_minor: how it ended, once released_at is set.
        ALTER TABLE hold
            ALTER COLUMN invoice_ids SET DEFAULT '{}', ALTER COLUMN invoice_ids SET NOT NULL,
            ADD COLUMN currency text, ADD COLUMN disputed_minor bigint,
            ADD COLUMN instalments jsonb NOT NULL DEFAULT '[]',
            ADD COLUMN baseline_minor bigint NOT NULL DEFAULT 0,
            ADD COLUMN grace_days integer NOT NULL DEFAULT 0,
            ADD COLUMN tolerance_minor bigint NOT NULL DEFAULT 0,
            ADD COLUMN reason_code text, ADD COLUMN owner text, ADD COLUMN deadline_on date,
            ADD COLUMN source text, ADD COLUMN jurisdiction text, ADD COLUMN began_on date,
            ADD COLUMN assessment jsonb, ADD COLUMN approved_by text, ADD COLUMN fingerprint text,
            ADD COLUMN resolution text, ADD COLUMN resolved_at timestamptz,
            ADD COLUMN resolved_by text, ADD COLUMN note text,
            ADD COLUMN outcome text, ADD COLUMN paid_minor bigint;
        ALTER TABLE hold ALTER COLUMN outcome TYPE text USING CASE
            WHEN released_at IS NULL THEN NULL WHEN released_by IS NULL THEN 'ended'
            ELSE 'released' END;
        ALTER TABLE hold
            ADD CHECK (kind IN ('manual', 'dispute', 'promise', 'plan', 'pending_collection',
                'insolvency', 'breathing_space')),
            ADD CHECK (outcome IN ('released', 'ended', 'kept', 'partly_kept', 'broken')),
            ADD CHECK (outcome IS NULL OR released_at IS NOT NULL),
            ADD CHECK (kind NOT IN ('promise', 'plan') OR instalments <> '[]'),
            ADD CHECK (kind <> 'dispute' OR cardinality(invoice_ids) = 1),
            ADD CHECK (disputed_minor > 0),
            ADD CHECK ((resolution IS NULL) = (resolved_at IS NULL));
        """
    )


def _indexes() -> None:
    run_script(
        """
        -- Lists go by time: of all, of a debtor, of a kind; of those that are live; open disputes.
        CREATE INDEX hold_time ON hold (tenant, placed_at, hold_id);
        CREATE INDEX hold_debtor_time ON hold (tenant, debtor_id, placed_at, hold_id);
        CREATE INDEX hold_kind_time ON hold (tenant, kind, placed_at, hold_id);
        CREATE INDEX hold_live_time ON hold (tenant, placed_at, hold_id)
            WHERE released_at IS NULL;
        CREATE INDEX hold_open_dispute ON hold (tenant, placed_at, hold_id)
            WHERE kind = 'dispute' AND released_at IS NULL AND resolution IS NULL;
        -- What somebody has to do something about, by its deadline.
        CREATE INDEX hold_deadline ON hold (tenant, deadline_on, hold_id)
            WHERE released_at IS NULL AND resolution IS NULL AND deadline_on IS NOT NULL;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("holds that were placed are not thrown away")
