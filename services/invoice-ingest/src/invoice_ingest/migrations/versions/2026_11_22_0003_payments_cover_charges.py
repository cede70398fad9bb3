"""Payments cover charges: how much of each is paid, by which payment, and in which order.

What is owed of a charge is `amount_minor - covered_minor - given_up_minor`; over an invoice this adds
up to its `charges_open_minor`. Until now a charge was owed as a whole or not at all, and which ones
were owed stood only in that sum: it goes to the charges that were booked last, because those of
before a write-off were given up with it.
"""

from dunning_common.migrate import protect, run_script
from invoice_ingest.schema import SCHEMA

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(
        """
        ALTER TABLE tenant
            ADD COLUMN automatic_order text NOT NULL DEFAULT 'principal_first' CHECK (
                automatic_order IN ('principal_first', 'by_law', 'costs_interest_principal',
                    'interest_costs_principal', 'interest_principal_costs')),
            ADD COLUMN allocated_order text NOT NULL DEFAULT 'principal_first' CHECK (
                allocated_order IN ('principal_first', 'by_law', 'costs_interest_principal',
                    'interest_costs_principal', 'interest_principal_costs'));

        ALTER TABLE credit
            ADD COLUMN payment_order text CHECK (
                payment_order IN ('principal_first', 'costs_interest_principal',
                    'interest_costs_principal', 'interest_principal_costs')),
            ADD CHECK (kind = 'payment' OR payment_order IS NULL);

        ALTER TABLE charge
            ADD COLUMN covered_minor bigint NOT NULL DEFAULT 0 CHECK (covered_minor >= 0),
            ADD COLUMN given_up_minor bigint NOT NULL DEFAULT 0 CHECK (given_up_minor >= 0);
        UPDATE charge SET given_up_minor = amount_minor - stood.owed_minor
        FROM (
            SELECT c.tenant, c.charge_id, least(c.amount_minor, greatest(0, i.charges_open_minor
                + c.amount_minor - sum(c.amount_minor) OVER (
                    PARTITION BY c.tenant, c.invoice_id ORDER BY c.booked_at DESC, c.charge_id DESC
                ))) AS owed_minor
            FROM charge c JOIN invoice i USING (tenant, invoice_id)
            WHERE NOT c.is_void AND c.waived_on IS NULL
        ) AS stood
        WHERE charge.tenant = stood.tenant AND charge.charge_id = stood.charge_id
            AND stood.owed_minor < charge.amount_minor;
        UPDATE charge SET given_up_minor = amount_minor WHERE is_void OR waived_on IS NOT NULL;
        ALTER TABLE charge ADD CHECK (covered_minor + given_up_minor <= amount_minor);

        -- kind is always 'payment': a credit note corrects the price and never covers charges.
        CREATE TABLE charge_cover (
            tenant text NOT NULL,
            kind text NOT NULL DEFAULT 'payment' CHECK (kind = 'payment'),
            credit_id text NOT NULL,
            charge_id text NOT NULL,
            invoice_id text NOT NULL,
            booked_minor bigint NOT NULL CHECK (booked_minor > 0),
            amount_minor bigint NOT NULL CHECK (amount_minor BETWEEN 0 AND booked_minor),
            effective_on date NOT NULL,
            reversed_on date,
            PRIMARY KEY (tenant, kind, credit_id, charge_id),
            FOREIGN KEY (tenant, kind, credit_id) REFERENCES credit,
            FOREIGN KEY (tenant, charge_id) REFERENCES charge,
            FOREIGN KEY (tenant, invoice_id) REFERENCES invoice
        );
        CREATE INDEX charge_cover_charge ON charge_cover (tenant, charge_id);
        CREATE INDEX charge_cover_invoice ON charge_cover (tenant, invoice_id);

        CREATE INDEX invoice_charges_open ON invoice (tenant, debtor_id)
            WHERE charges_open_minor > 0;
        CREATE INDEX credit_unallocated ON credit (tenant, debtor_id) WHERE unallocated_minor > 0;
        """
    )
    protect(SCHEMA, ("charge_cover",))


def downgrade() -> None:
    msg = "a ledger is never downgraded; restore a backup"
    raise NotImplementedError(msg)
