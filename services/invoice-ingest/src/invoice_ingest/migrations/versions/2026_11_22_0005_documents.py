"""The original documents of invoices, as the company's system made them; sealed like contacts."""

from dunning_common.migrate import protect, run_script
from invoice_ingest.schema import SCHEMA

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(
        """
        CREATE TABLE original (
            tenant text NOT NULL, invoice_id text NOT NULL, debtor_id text NOT NULL,
            file_name text NOT NULL, media_type text NOT NULL,
            sha256 text NOT NULL, size_bytes integer NOT NULL CHECK (size_bytes > 0),
            content bytea NOT NULL,
            kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, invoice_id)
        );
        COMMENT ON TABLE original IS
            'The document behind an invoice; all instalments of a document share it.';
        COMMENT ON COLUMN original.content IS
            'Sealed with the debtor''s key: destroying it erases the document.';
        ALTER TABLE original ALTER COLUMN content SET STORAGE EXTERNAL;
        """
    )
    protect(SCHEMA, ("original",))


def downgrade() -> None:
    msg = "a ledger is never downgraded; restore a backup"
    raise NotImplementedError(msg)
