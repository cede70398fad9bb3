"""Tries that failed for a cause of ours, needed channels, retries, and what is open of charges."""

from dunning_common.migrate import protect, run_script
from dunning_engine.schema import SCHEMA

revision = "engine_0008"
down_revision = "engine_0007"
branch_labels = None
depends_on = None

TABLES = ("retry",)


def upgrade() -> None:
    run_script(
        """
        -- excused: so many of the failures were not the address's fault; they are not counted
        -- against the policy's attempts.
        ALTER TABLE dunning_case ADD COLUMN excused integer NOT NULL DEFAULT 0;
        -- What is blocked today for such a cause goes on: as `failure_cause` sorts reasons.
        UPDATE dunning_case SET excused = failures WHERE live AND failures > 0 AND failure_reason ~
            '(^|, )(not_connected|not_uploaded|channel_not_configured|channel_failed|content|contacts'
            '|contacts_unreadable|deadline_passed|no_sms_sender|bad_sms_sender|sms_daily_limit'
            '|sms_limits_unavailable|sms_number_limit|permit_refused|returned|revoked|changed|spool'
            '|unknown_tenant|http_(3..|40[1235-8]|429|5..))(:|,| |$)';
        UPDATE account a SET next_action_at = least(a.next_action_at, coalesce(
            (SELECT c.now FROM tenant_clock c WHERE c.tenant = a.tenant), clock_timestamp()))
        WHERE a.kind IS NOT NULL AND EXISTS (SELECT 1 FROM dunning_case c
            WHERE c.tenant = a.tenant AND c.debtor_id = a.debtor_id AND c.live AND c.excused > 0);
        CREATE INDEX dunning_case_excused ON dunning_case (tenant, debtor_id)
            WHERE live AND excused > 0;

        -- needs: the channels without which the level is not served; NULL: any of them is enough.
        -- sent: the channels by which a try went out that lacks one of those.
        ALTER TABLE case_level ADD COLUMN needs text[], ADD COLUMN sent text[];
        CREATE INDEX case_level_part_sent ON case_level (tenant, debtor_id)
            WHERE sent IS NOT NULL;

        -- kind, basis (the law): of what was charged; open_minor: so much of it is still owed.
        -- withdrawn_at: since when the ledger is to give it up.
        ALTER TABLE charge ADD COLUMN kind text, ADD COLUMN basis text,
            ADD COLUMN open_minor bigint NOT NULL DEFAULT 0, ADD COLUMN withdrawn_at timestamptz;
        UPDATE charge c SET kind = e.said ->> 'kind', basis = e.said ->> 'basis',
            open_minor = (e.said ->> 'amount_minor')::bigint
        FROM case_level l CROSS JOIN LATERAL jsonb_array_elements(l.charges) AS e (said)
        WHERE l.tenant = c.tenant AND l.invoice_id = c.invoice_id
          AND e.said ->> 'charge_id' = c.charge_id;
        CREATE INDEX charge_open ON charge (tenant, invoice_id) WHERE open_minor > 0;

        -- Who had what failed tried again, and how many cases that were.
        CREATE TABLE retry (
            tenant text NOT NULL, retry_id uuid NOT NULL,
            debtor_id text, reason text, cases integer NOT NULL, debtors integer NOT NULL,
            asked_at timestamptz NOT NULL, asked_by text NOT NULL,
            PRIMARY KEY (tenant, retry_id)
        );
        """
    )
    protect(SCHEMA, TABLES)
    run_script(
        f"""
        CREATE TRIGGER retry_audit AFTER INSERT ON retry FOR EACH ROW
            WHEN (current_user = '{SCHEMA.api_role}')
            EXECUTE FUNCTION audit_row('retry_id', '');
        """
    )


def downgrade() -> None:
    raise NotImplementedError("nothing was added that could be in the way")
