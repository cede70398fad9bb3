"""A debtor's risk, in the company's own words, and charges that were given up."""

from dunning_common.migrate import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(
        """
        ALTER TABLE debtor ADD COLUMN risk text;

        ALTER TABLE charge
            ADD COLUMN waived_on date,
            ADD COLUMN waived_reason text,
            ADD CHECK ((waived_on IS NULL) = (waived_reason IS NULL)),
            ADD CHECK (waived_on IS NULL OR NOT is_void);
        """
    )


def downgrade() -> None:
    msg = "a ledger is never downgraded; restore a backup"
    raise NotImplementedError(msg)
