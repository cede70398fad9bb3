"""Facts, as the events told them, and the daily aggregates folded from them."""

from __future__ import annotations

from dunning_common.migrate import create_flow_tables, protect, run_script
from kpi.schema import SCHEMA

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "tenant",
    "invoice_fact",
    "contact_fact",
    "level_fact",
    "notice_fact",
    "message_fact",
    "cash_fact",
    "daily_balance",
    "daily_settled",
    "daily_contact",
    "daily_level",
    "daily_notice",
    "daily_cash",
)


def upgrade() -> None:
    create_flow_tables(SCHEMA)
    # The row of a tenant is also the lock under which its facts are folded.
    run_script(
        """
        CREATE TABLE tenant (
            tenant text PRIMARY KEY,
            name text NOT NULL DEFAULT '',
            zone text NOT NULL DEFAULT 'UTC',
            base_currency text NOT NULL DEFAULT '',
            sandbox boolean NOT NULL DEFAULT false,
            sandbox_starts_on date,
            latest_on date,
            latest_at timestamptz
        );
        """
    )
    run_script(
        """
        CREATE TABLE invoice_fact (
            tenant text NOT NULL, invoice_id text NOT NULL,
            version bigint NOT NULL, sequence bigint NOT NULL,
            move text NOT NULL, effective_on date NOT NULL,
            debtor_id text NOT NULL, currency text NOT NULL, due_on date NOT NULL,
            amount_minor bigint NOT NULL, open_minor bigint NOT NULL,
            charges_open_minor bigint NOT NULL, is_paid boolean NOT NULL,
            PRIMARY KEY (tenant, invoice_id, version, sequence)
        );
        CREATE TABLE contact_fact (
            tenant text NOT NULL, invoice_id text NOT NULL, message_id uuid NOT NULL,
            level text NOT NULL, level_no int NOT NULL, channel text NOT NULL,
            contacted_at timestamptz NOT NULL,
            PRIMARY KEY (tenant, invoice_id, message_id)
        );
        CREATE TABLE level_fact (
            tenant text NOT NULL, invoice_id text NOT NULL,
            level_no int NOT NULL, level text NOT NULL, served_at timestamptz NOT NULL,
            PRIMARY KEY (tenant, invoice_id, level_no, level, served_at)
        );
        CREATE TABLE notice_fact (
            tenant text NOT NULL, notice_id uuid NOT NULL,
            currency text NOT NULL, decided_at timestamptz NOT NULL,
            PRIMARY KEY (tenant, notice_id)
        );
        CREATE TABLE message_fact (
            tenant text NOT NULL, notice_id uuid NOT NULL, message_id uuid NOT NULL,
            outcome text NOT NULL, level text NOT NULL, level_no int NOT NULL,
            channel text NOT NULL,
            PRIMARY KEY (tenant, notice_id, message_id, outcome)
        );
        CREATE TABLE cash_fact (
            tenant text NOT NULL, debtor_id text NOT NULL, currency text NOT NULL,
            sequence bigint NOT NULL, effective_on date NOT NULL,
            unallocated_minor bigint NOT NULL,
            PRIMARY KEY (tenant, debtor_id, currency, sequence)
        );
        """
    )
    # Sums are numeric: no number of large invoices can overflow them.
    run_script(
        """
        CREATE TABLE daily_balance (
            tenant text NOT NULL, currency text NOT NULL, day date NOT NULL,
            due_on date NOT NULL, move text NOT NULL,
            open_minor numeric NOT NULL, charges_minor numeric NOT NULL,
            invoices numeric NOT NULL,
            PRIMARY KEY (tenant, currency, day, due_on, move)
        );
        CREATE TABLE daily_settled (
            tenant text NOT NULL, currency text NOT NULL,
            settled_on date NOT NULL, undone_on date NOT NULL,
            invoices numeric NOT NULL, late_invoices numeric NOT NULL,
            amount_minor numeric NOT NULL, days_late numeric NOT NULL,
            amount_days_late numeric NOT NULL,
            PRIMARY KEY (tenant, currency, settled_on, undone_on)
        );
        CREATE TABLE daily_contact (
            tenant text NOT NULL, currency text NOT NULL, day date NOT NULL,
            level_no int NOT NULL, level text NOT NULL, channel text NOT NULL,
            contacts numeric NOT NULL, after_payment numeric NOT NULL,
            PRIMARY KEY (tenant, currency, day, level_no, level, channel)
        );
        CREATE TABLE daily_level (
            tenant text NOT NULL, currency text NOT NULL, day date NOT NULL,
            level_no int NOT NULL, level text NOT NULL, invoices numeric NOT NULL,
            PRIMARY KEY (tenant, currency, day, level_no, level)
        );
        CREATE TABLE daily_notice (
            tenant text NOT NULL, currency text NOT NULL, day date NOT NULL,
            level_no int NOT NULL, level text NOT NULL, channel text NOT NULL,
            messages numeric NOT NULL, sent numeric NOT NULL, delivered numeric NOT NULL,
            bounced numeric NOT NULL, failed numeric NOT NULL, unknown numeric NOT NULL,
            suppressed numeric NOT NULL, returned numeric NOT NULL,
            PRIMARY KEY (tenant, currency, day, level_no, level, channel)
        );
        CREATE TABLE daily_cash (
            tenant text NOT NULL, currency text NOT NULL, day date NOT NULL,
            unallocated_minor numeric NOT NULL,
            PRIMARY KEY (tenant, currency, day)
        );
        """
    )
    protect(SCHEMA, TABLES)
