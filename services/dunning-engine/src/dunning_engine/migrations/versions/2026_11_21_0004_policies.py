"""Policies: rules that choose them, stages that activate a version, cases that go to another one."""

from dunning_common.migrate import protect, run_script
from dunning_engine.schema import SCHEMA

revision = "engine_0004"
down_revision = "engine_0003"
branch_labels = None
depends_on = None

TABLES = (
    "policy_rules",
    "policy_active",
    "policy_activation",
    "case_pin",
    "policy_migration",
    "case_to_migrate",
)


def upgrade() -> None:
    _choosing()
    _activation()
    _pins()
    _migrations()
    protect(SCHEMA, TABLES)


def _choosing() -> None:
    run_script(
        """
        -- Versions never change. The newest one decides about cases that are opened.
        CREATE TABLE policy_rules (
            tenant text NOT NULL, version integer NOT NULL,
            source text NOT NULL, document jsonb NOT NULL, sha256 text NOT NULL,
            stored_by text NOT NULL, stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (tenant, version)
        );
        """
    )


def _activation() -> None:
    run_script(
        """
        -- The version for new cases outside of a running stage; no row: none is active yet.
        CREATE TABLE policy_active (
            tenant text NOT NULL, policy_id text NOT NULL, version integer NOT NULL,
            PRIMARY KEY (tenant, policy_id),
            FOREIGN KEY (tenant, policy_id, version) REFERENCES policy
        );
        -- Row-level security hides the rows of `policy` from their own owner, too.
        ALTER TABLE policy NO FORCE ROW LEVEL SECURITY;
        INSERT INTO policy_active
            SELECT tenant, policy_id, max(version) FROM policy GROUP BY tenant, policy_id;
        ALTER TABLE policy FORCE ROW LEVEL SECURITY;

        -- Every activation there was; at most one of a policy is running. No segments: all of them.
        -- started_at to ended_at are the tenant's clock. notices to disputed: what the stop rule
        -- saw when it looked last, in real time.
        CREATE TABLE policy_activation (
            tenant text NOT NULL, policy_id text NOT NULL, number integer NOT NULL,
            version integer NOT NULL, percent integer NOT NULL CHECK (percent BETWEEN 1 AND 100),
            segments text[] NOT NULL DEFAULT '{}',
            after_notices integer, failed_percent integer, disputed_percent integer,
            migrate text NOT NULL CHECK (migrate IN ('keep', 'by_code')),
            state text NOT NULL CHECK (state IN ('running', 'complete', 'stopped', 'superseded')),
            started_at timestamptz NOT NULL, started_by text NOT NULL, widened_at timestamptz,
            ended_at timestamptz, ended_by text, ended_why text,
            notices integer NOT NULL DEFAULT 0, failed integer NOT NULL DEFAULT 0,
            invoices integer NOT NULL DEFAULT 0, disputed integer NOT NULL DEFAULT 0,
            tallied_at timestamptz,
            PRIMARY KEY (tenant, policy_id, number),
            FOREIGN KEY (tenant, policy_id, version) REFERENCES policy,
            CHECK ((state = 'running') = (ended_at IS NULL)),
            CHECK (after_notices IS NOT NULL OR
                   (failed_percent IS NULL AND disputed_percent IS NULL))
        );
        CREATE UNIQUE INDEX policy_activation_running ON policy_activation (tenant, policy_id)
            WHERE state = 'running';
        CREATE INDEX policy_activation_watched ON policy_activation (tenant)
            WHERE state = 'running' AND after_notices IS NOT NULL;
        """
    )


def _pins() -> None:
    run_script(
        """
        -- Which policy version a case follows since when, and why: the first when it was opened,
        -- then one for each migration. facts and rules_version: what choosing looked at, so that
        -- it can be shown again. Tries of levels after after_try are the version's.
        CREATE TABLE case_pin (
            tenant text NOT NULL, invoice_id text NOT NULL, pin_no integer NOT NULL,
            policy_id text NOT NULL, policy_version integer NOT NULL,
            pinned_at timestamptz NOT NULL, why text NOT NULL, after_try integer NOT NULL DEFAULT 0,
            rules_version integer, facts jsonb,
            from_policy_id text, from_version integer, migration_id uuid,
            PRIMARY KEY (tenant, invoice_id, pin_no),
            FOREIGN KEY (tenant, invoice_id) REFERENCES dunning_case
        );
        CREATE INDEX case_pin_policy ON case_pin (tenant, policy_id, policy_version);
        """
    )


def _migrations() -> None:
    run_script(
        """
        -- rung: the level's place in the version that the case follows now; NULL: still level_no.
        ALTER TABLE case_level ADD COLUMN rung integer;

        -- Open cases that go to another version, debtor by debtor; all progress is in the row.
        -- Without from_version: of every other version. percent, segments: only those of a stage;
        -- activation: its number. Once that is stopped, no further case goes.
        CREATE TABLE policy_migration (
            tenant text NOT NULL, migration_id uuid NOT NULL,
            from_policy_id text NOT NULL, from_version integer,
            policy_id text NOT NULL, version integer NOT NULL,
            percent integer NOT NULL, segments text[] NOT NULL DEFAULT '{}', activation integer,
            state text NOT NULL DEFAULT 'running'
                CHECK (state IN ('running', 'waiting', 'done', 'cancelled')),
            after_debtor text NOT NULL DEFAULT '', migrated integer NOT NULL DEFAULT 0,
            requested_at timestamptz NOT NULL, requested_by text NOT NULL,
            made_at timestamptz NOT NULL DEFAULT clock_timestamp(), ended_at timestamptz,
            PRIMARY KEY (tenant, migration_id)
        );
        CREATE INDEX policy_migration_open ON policy_migration (tenant, made_at)
            WHERE state IN ('running', 'waiting');

        -- Cases whose notice was in flight when their turn came.
        CREATE TABLE case_to_migrate (
            tenant text NOT NULL, migration_id uuid NOT NULL, invoice_id text NOT NULL,
            debtor_id text NOT NULL,
            PRIMARY KEY (tenant, migration_id, invoice_id),
            FOREIGN KEY (tenant, migration_id) REFERENCES policy_migration
        );
        """
    )


def downgrade() -> None:
    raise NotImplementedError("policies that cases follow are not thrown away")
