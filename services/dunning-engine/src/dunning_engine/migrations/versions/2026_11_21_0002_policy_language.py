"""What the policy language looks at: risk, contacts, unmatched money, approvals, quiet after holds."""

from dunning_common.migrate import run_script

revision = "engine_0002"
down_revision = "engine_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(
        """
        -- contacted_on: the days of the last notices. unallocated: minor units by currency.
        -- waits_for_feed: something is held back until the tenant's payments are known further.
        ALTER TABLE account
            ADD COLUMN risk text,
            ADD COLUMN contacted_on date[] NOT NULL DEFAULT '{}',
            ADD COLUMN unallocated jsonb NOT NULL DEFAULT '{}',
            ADD COLUMN credit_blocked boolean NOT NULL DEFAULT false,
            ADD COLUMN waits_for_feed boolean NOT NULL DEFAULT false;
        CREATE INDEX account_waits_for_feed ON account (tenant) WHERE waits_for_feed;

        ALTER TABLE dunning_case
            ADD COLUMN not_before date,
            ADD COLUMN approval_level_no integer, ADD COLUMN approved boolean,
            ADD COLUMN approval_by text, ADD COLUMN approval_at timestamptz,
            ADD COLUMN final_action text;
        DROP INDEX dunning_case_stuck;
        CREATE INDEX dunning_case_stuck ON dunning_case (tenant, invoice_id)
            WHERE state IN ('waiting', 'held', 'blocked', 'awaiting_approval');
        CREATE INDEX dunning_case_with_others ON dunning_case (tenant, debtor_id)
            WHERE closed = 'handed_over' AND status = 'open';
        """
    )


def downgrade() -> None:
    raise NotImplementedError("facts that were recorded are not thrown away")
