"""A lighter sweep: cases change in place, and nothing is indexed or checked that nobody asks for."""

from dunning_common.migrate import run_script

revision = "engine_0006"
down_revision = "engine_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(
        """
        -- Free room on each page, and no index over `state` itself: a new version of a row stays on
        -- its page and needs no new index entries while the case goes from level to level.
        -- work_state, work_reason: state and its reason where somebody may have to act, else NULL.
        ALTER TABLE dunning_case SET (fillfactor = 80);
        ALTER TABLE dunning_case
            ADD COLUMN work_state text GENERATED ALWAYS AS (CASE WHEN state IN
                ('waiting', 'held', 'blocked', 'awaiting_approval', 'exhausted')
                THEN state END) STORED,
            ADD COLUMN work_reason text GENERATED ALWAYS AS (CASE WHEN state IN
                ('waiting', 'held', 'blocked', 'awaiting_approval', 'exhausted')
                THEN state_reason END) STORED;
        DROP INDEX dunning_case_stuck, dunning_case_work;
        CREATE INDEX dunning_case_stuck ON dunning_case (tenant, invoice_id)
            WHERE work_state IN ('waiting', 'held', 'blocked', 'awaiting_approval');
        CREATE INDEX dunning_case_work ON dunning_case (tenant, work_state, work_reason, due_on)
            WHERE live AND work_state IS NOT NULL;

        -- Cases are never deleted, and only a sweep adds levels: to cases that it has just written.
        ALTER TABLE case_level DROP CONSTRAINT case_level_tenant_invoice_id_fkey;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("nothing was added that could be in the way")
