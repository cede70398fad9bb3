"""The ledger: tenants, debtors, invoices, credits, charges, send permits.

Every table carries `tenant`, first in each key, and is under row-level security. The checks repeat
the core's rules, so that no bug can store money that does not add up.
"""

from dunning_common.migrate import create_flow_tables, protect, run_script
from invoice_ingest.schema import SCHEMA

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "tenant",
    "debtor",
    "debtor_key",
    "invoice",
    "credit",
    "cover",
    "cash",
    "charge",
    "permit",
)


def upgrade() -> None:
    create_flow_tables(SCHEMA)
    run_script(
        """
        CREATE TABLE tenant (
            tenant text PRIMARY KEY,
            zone text NOT NULL,
            profile jsonb NOT NULL,
            changed_at timestamptz NOT NULL DEFAULT now()
        );

        CREATE TABLE debtor (
            tenant text NOT NULL REFERENCES tenant,
            debtor_id text NOT NULL,
            kind text NOT NULL CHECK (kind IN ('business', 'consumer', 'public')),
            country text NOT NULL,
            region text,
            zone text NOT NULL,
            language text NOT NULL,
            segment text,
            policy_id text,
            tags jsonb NOT NULL DEFAULT '[]',
            contact jsonb,
            erased_at timestamptz,
            changed_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (tenant, debtor_id),
            CHECK ((contact IS NULL) = (erased_at IS NOT NULL))
        );

        CREATE TABLE debtor_key (
            tenant text NOT NULL,
            debtor_id text NOT NULL,
            key_id text NOT NULL,
            wrapped bytea NOT NULL,
            made_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (tenant, debtor_id),
            FOREIGN KEY (tenant, debtor_id) REFERENCES debtor
        );

        CREATE TABLE invoice (
            tenant text NOT NULL,
            invoice_id text NOT NULL,
            debtor_id text NOT NULL,
            number text NOT NULL,
            issued_on date NOT NULL,
            due_on date NOT NULL CHECK (due_on >= issued_on),
            currency text NOT NULL CHECK (length(currency) = 3),
            amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
            covered_minor bigint NOT NULL CHECK (covered_minor >= 0),
            written_off_minor bigint NOT NULL CHECK (written_off_minor >= 0),
            open_minor bigint NOT NULL CHECK (open_minor >= 0),
            charges_open_minor bigint NOT NULL CHECK (charges_open_minor >= 0),
            status text NOT NULL CHECK (status IN ('open', 'paid', 'cancelled', 'written_off')),
            covered_on date,
            settled_on date,
            revision bigint NOT NULL CHECK (revision >= 1),
            version bigint NOT NULL CHECK (version >= 1),
            policy_id text,
            tags jsonb NOT NULL DEFAULT '[]',
            changed_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (tenant, invoice_id),
            FOREIGN KEY (tenant, debtor_id) REFERENCES debtor,
            CHECK ((status = 'open') = (open_minor > 0)),
            CHECK ((status = 'paid') = (settled_on IS NOT NULL)),
            CHECK (
                status = 'cancelled' OR open_minor = amount_minor - covered_minor - written_off_minor
            )
        ) WITH (fillfactor = 85);
        CREATE INDEX invoice_debtor ON invoice (tenant, debtor_id);
        CREATE INDEX invoice_open ON invoice (tenant, debtor_id) WHERE status = 'open';

        CREATE TABLE credit (
            tenant text NOT NULL,
            kind text NOT NULL CHECK (kind IN ('payment', 'credit_note')),
            credit_id text NOT NULL,
            debtor_id text NOT NULL,
            currency text NOT NULL CHECK (length(currency) = 3),
            amount_minor bigint NOT NULL CHECK (amount_minor > 0),
            dated_on date NOT NULL,
            wanted jsonb,
            unallocated_minor bigint NOT NULL
                CHECK (unallocated_minor BETWEEN 0 AND amount_minor),
            reversed_on date,
            changed_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (tenant, kind, credit_id),
            FOREIGN KEY (tenant, debtor_id) REFERENCES debtor,
            CHECK (reversed_on IS NULL OR unallocated_minor = 0)
        );
        CREATE INDEX credit_debtor ON credit (tenant, debtor_id);

        CREATE TABLE cover (
            tenant text NOT NULL,
            kind text NOT NULL,
            credit_id text NOT NULL,
            invoice_id text NOT NULL,
            booked_minor bigint NOT NULL CHECK (booked_minor > 0),
            amount_minor bigint NOT NULL CHECK (amount_minor BETWEEN 0 AND booked_minor),
            effective_on date NOT NULL,
            reversed_on date,
            PRIMARY KEY (tenant, kind, credit_id, invoice_id),
            FOREIGN KEY (tenant, kind, credit_id) REFERENCES credit,
            FOREIGN KEY (tenant, invoice_id) REFERENCES invoice
        );
        CREATE INDEX cover_invoice ON cover (tenant, invoice_id);

        CREATE TABLE cash (
            tenant text NOT NULL,
            debtor_id text NOT NULL,
            currency text NOT NULL,
            unallocated_minor bigint NOT NULL CHECK (unallocated_minor >= 0),
            PRIMARY KEY (tenant, debtor_id, currency),
            FOREIGN KEY (tenant, debtor_id) REFERENCES debtor
        );

        CREATE TABLE charge (
            tenant text NOT NULL,
            charge_id text NOT NULL,
            invoice_id text NOT NULL,
            kind text NOT NULL CHECK (kind IN ('interest', 'compensation', 'fee')),
            currency text NOT NULL,
            amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
            assessed_on date NOT NULL,
            basis text NOT NULL,
            is_void boolean NOT NULL,
            booked_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (tenant, charge_id),
            FOREIGN KEY (tenant, invoice_id) REFERENCES invoice
        );
        CREATE INDEX charge_invoice ON charge (tenant, invoice_id);

        CREATE TABLE permit (
            tenant text NOT NULL,
            invoice_id text NOT NULL,
            permit_id text NOT NULL,
            expires_at timestamptz NOT NULL,
            PRIMARY KEY (tenant, invoice_id, permit_id),
            FOREIGN KEY (tenant, invoice_id) REFERENCES invoice
        );
        CREATE INDEX permit_id ON permit (permit_id);
        CREATE INDEX permit_expiry ON permit (expires_at);
        """
    )
    protect(SCHEMA, TABLES)


def downgrade() -> None:
    msg = "a ledger is never downgraded; restore a backup"
    raise NotImplementedError(msg)
