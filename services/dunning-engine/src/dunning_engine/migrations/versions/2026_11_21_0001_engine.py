"""The engine's tables: tenants, accounts, cases, levels, notices, holds, policies, decisions, clocks."""

from dunning_common.migrate import create_flow_tables, protect, run_script
from dunning_engine.schema import SCHEMA

revision = "engine_0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "tenant",
    "tenant_clock",
    "account",
    "dunning_case",
    "case_level",
    "notice",
    "hold",
    "policy",
    "default_policy",
    "decision",
    "charge",
    "stray_notification",
)


def upgrade() -> None:
    create_flow_tables(SCHEMA)
    _tenants()
    _accounts()
    _notices()
    _policies()
    protect(SCHEMA, TABLES)


def _tenants() -> None:
    run_script(
        """
        -- A row without a name is a place holder: something of the tenant came before the tenant.
        CREATE TABLE tenant (
            tenant text PRIMARY KEY, name text, country text, zone text, language text,
            base_currency text, sandbox boolean, payments_fresh_until timestamptz
        );
        -- Only sandbox tenants have one. All of a walk's state is here, so that a killed engine goes on.
        CREATE TABLE tenant_clock (
            tenant text PRIMARY KEY REFERENCES tenant,
            now timestamptz NOT NULL, target timestamptz NOT NULL,
            settled boolean NOT NULL DEFAULT true,
            steps bigint NOT NULL DEFAULT 0, trouble text,
            moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CHECK (now <= target)
        );
        CREATE INDEX tenant_clock_walking ON tenant_clock (tenant) WHERE NOT settled;
        """
    )


def _accounts() -> None:
    run_script(
        """
        -- One row per debtor: the lock and the alarm clock of all its cases.
        -- time_source repeats tenant.sandbox, so that the real clock never meets a sandbox's.
        -- returns > returns_checked: a notice came back unsent, and the ledger was not asked since.
        CREATE TABLE account (
            tenant text NOT NULL, debtor_id text NOT NULL,
            time_source text NOT NULL DEFAULT 'unknown'
                CHECK (time_source IN ('unknown', 'real', 'sandbox')),
            kind text, country text, region text, zone text, language text, segment text,
            policy_id text, tags jsonb NOT NULL DEFAULT '[]',
            next_action_at timestamptz,
            returns integer NOT NULL DEFAULT 0, returns_checked integer NOT NULL DEFAULT 0,
            verdict_hash bytea, trouble text,
            PRIMARY KEY (tenant, debtor_id)
        );
        CREATE INDEX account_due_real ON account (next_action_at)
            WHERE time_source = 'real' AND next_action_at IS NOT NULL AND returns = returns_checked;
        CREATE INDEX account_due_sandbox ON account (tenant, next_action_at)
            WHERE time_source = 'sandbox' AND next_action_at IS NOT NULL
            AND returns = returns_checked;
        CREATE INDEX account_unchecked ON account (tenant) WHERE returns > returns_checked;
        CREATE INDEX account_waiting ON account (tenant) WHERE time_source = 'unknown';
        CREATE INDEX account_trouble ON account (tenant) WHERE trouble IS NOT NULL;

        -- One row per invoice. `live` is what a sweep has to look at: not closed, or owing again.
        CREATE TABLE dunning_case (
            tenant text NOT NULL, invoice_id text NOT NULL, debtor_id text NOT NULL,
            number text NOT NULL, issued_on date NOT NULL, due_on date NOT NULL,
            currency text NOT NULL, amount_minor bigint NOT NULL, open_minor bigint NOT NULL,
            charges_open_minor bigint NOT NULL, status text NOT NULL, settled_on date,
            version bigint NOT NULL, wanted_policy_id text, tags jsonb NOT NULL DEFAULT '[]',
            balances jsonb NOT NULL DEFAULT '[]',
            policy_id text, policy_version integer, opened_at timestamptz,
            flight_notice uuid, flight_level_no integer, flight_attempt integer,
            flight_revoked boolean NOT NULL DEFAULT false,
            tries integer NOT NULL DEFAULT 0, failures integer NOT NULL DEFAULT 0,
            returns integer NOT NULL DEFAULT 0, last_failure_on date, failure_reason text,
            closed text, closed_at timestamptz,
            interest_through date, compensation_charged boolean NOT NULL DEFAULT false,
            state text NOT NULL DEFAULT 'waiting', state_reason text,
            next_level_no integer, next_level text, next_at timestamptz,
            live boolean NOT NULL GENERATED ALWAYS AS (
                closed IS NULL OR (closed <> 'handed_over' AND status = 'open' AND open_minor > 0)
            ) STORED,
            PRIMARY KEY (tenant, invoice_id),
            FOREIGN KEY (tenant, debtor_id) REFERENCES account,
            CHECK ((policy_id IS NULL) = (policy_version IS NULL))
        );
        CREATE INDEX dunning_case_live ON dunning_case (tenant, debtor_id) WHERE live;
        CREATE INDEX dunning_case_debtor ON dunning_case (tenant, debtor_id, invoice_id);
        CREATE INDEX dunning_case_unpinned ON dunning_case (tenant, wanted_policy_id)
            WHERE policy_id IS NULL;

        CREATE INDEX dunning_case_stuck ON dunning_case (tenant, invoice_id)
            WHERE state IN ('waiting', 'held', 'blocked');

        -- Reminders stop for a debtor, or for one invoice.
        CREATE TABLE hold (
            tenant text NOT NULL, hold_id uuid NOT NULL, debtor_id text NOT NULL, invoice_id text,
            kind text NOT NULL, reason text NOT NULL, until timestamptz,
            placed_at timestamptz NOT NULL, placed_by text NOT NULL,
            released_at timestamptz, released_by text,
            PRIMARY KEY (tenant, hold_id), FOREIGN KEY (tenant, debtor_id) REFERENCES account
        );
        CREATE INDEX hold_live ON hold (tenant, debtor_id) WHERE released_at IS NULL;
        """
    )


def _notices() -> None:
    run_script(
        """
        -- The history of every case: each level that was asked for, served, lapsed or failed.
        -- Without a notice_id it needed none. channels: what became of each message.
        CREATE TABLE case_level (
            tenant text NOT NULL, invoice_id text NOT NULL, level_no integer NOT NULL,
            try_no integer NOT NULL, debtor_id text NOT NULL, level text NOT NULL,
            notice_id uuid, decision_id uuid NOT NULL,
            decided_at timestamptz NOT NULL, decided_on date NOT NULL,
            outcome text NOT NULL
                CHECK (outcome IN ('in_flight', 'served', 'lapsed', 'failed', 'returned')),
            reason text, served_at timestamptz,
            channels jsonb NOT NULL DEFAULT '{}', charges jsonb,
            PRIMARY KEY (tenant, invoice_id, level_no, try_no),
            FOREIGN KEY (tenant, invoice_id) REFERENCES dunning_case
        );
        CREATE INDEX case_level_notice ON case_level (tenant, notice_id)
            WHERE notice_id IS NOT NULL;
        CREATE INDEX case_level_time ON case_level
            (tenant, decided_at, invoice_id, level_no, try_no);

        -- One row per notice asked for. requested_at and heard_at are real time, for the alarm.
        CREATE TABLE notice (
            tenant text NOT NULL, notice_id uuid NOT NULL, debtor_id text NOT NULL,
            decision_id uuid NOT NULL, decided_at timestamptz NOT NULL, decided_on date NOT NULL,
            settled boolean NOT NULL DEFAULT false,
            requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            heard_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, notice_id)
        );
        CREATE INDEX notice_in_flight ON notice (tenant) WHERE NOT settled;
        CREATE INDEX notice_silent ON notice (heard_at) WHERE NOT settled;

        -- Charges that were announced to the ledger, until it says that it booked them.
        CREATE TABLE charge (
            tenant text NOT NULL, charge_id text NOT NULL, invoice_id text NOT NULL,
            posted boolean NOT NULL DEFAULT false,
            announced_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, charge_id)
        );
        CREATE INDEX charge_unposted ON charge (tenant) WHERE NOT posted;

        -- News of notices that this engine never asked for: kept, listed, never lost.
        CREATE TABLE stray_notification (
            tenant text NOT NULL, event_id uuid NOT NULL, notice_id uuid NOT NULL,
            debtor_id text NOT NULL, type text NOT NULL, envelope bytea NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, event_id)
        );
        """
    )


def _policies() -> None:
    run_script(
        """
        -- Versions never change: cases are pinned to them.
        CREATE TABLE policy (
            tenant text NOT NULL, policy_id text NOT NULL, version integer NOT NULL,
            name text NOT NULL, source text NOT NULL, document jsonb NOT NULL,
            sha256 text NOT NULL, stored_by text NOT NULL,
            stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, policy_id, version)
        );
        CREATE TABLE default_policy (tenant text PRIMARY KEY, policy_id text NOT NULL);

        -- record: canonical bytes of inputs and outcome, zlib-packed; see domain.record.
        CREATE TABLE decision (
            tenant text NOT NULL, decision_id uuid NOT NULL, debtor_id text NOT NULL,
            decided_at timestamptz NOT NULL, made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            record bytea NOT NULL,
            PRIMARY KEY (tenant, decision_id)
        );
        ALTER TABLE decision ALTER COLUMN record SET STORAGE EXTERNAL;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the first migration has nothing to go back to")
