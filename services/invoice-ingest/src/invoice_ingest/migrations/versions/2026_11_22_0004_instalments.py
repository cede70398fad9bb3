"""One document with several due dates: each instalment is an invoice that names its document.

The document itself has no row: all that it says stands in its instalments.
"""

from dunning_common.migrate import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(
        """
        ALTER TABLE invoice ADD COLUMN document_id text CHECK (document_id <> invoice_id);
        CREATE INDEX invoice_document ON invoice (tenant, document_id)
            WHERE document_id IS NOT NULL;
        """
    )


def downgrade() -> None:
    msg = "a ledger is never downgraded; restore a backup"
    raise NotImplementedError(msg)
