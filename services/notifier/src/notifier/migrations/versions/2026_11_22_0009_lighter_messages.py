"""Fewer and narrower indexes of messages, so that each change of a message writes less.

A claim is written into the page of its row and into no index (HOT): no index has a column of it any
more, and pages keep room for it. The message's invoices were in an index that row-level security
forbids to use; a debtor's messages are found by the debtor's notices instead.

Every index is built while messages go on being written, outside of a transaction, and can be begun
again after a crash.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

_NEW = {
    "notice_debtor": "ON notice (tenant, debtor_id)",
    "message_once": "ON message (tenant, notice_id, channel)",
    "message_sending": "ON message (tenant, message_id) WHERE state = 'sending'",
    "message_in_spool": """ON message (tenant, channel)
        WHERE provider = 'spool' AND batch_id IS NULL
          AND (state = 'sent' OR state = 'planned' AND reason = 'in_spool')""",
    "message_written_to": """ON message (tenant, recipient_hash, planned_at)
        WHERE recipient_hash IS NOT NULL AND state NOT IN ('planned', 'sending')""",
}
_UNIQUE = {"message_once"}
_OLD = ("message_on_the_wire", "message_spooled", "message_recipient", "message_invoices")


def upgrade() -> None:
    """Build the new indexes beside the old ones, then drop those."""
    with op.get_context().autocommit_block():
        for name, rows in _NEW.items():
            kind = "UNIQUE INDEX" if name in _UNIQUE else "INDEX"
            # A build that broke off leaves an index that is kept up to date and never used.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE {kind} CONCURRENTLY {name} {rows}")
        for name in _OLD:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    # One message for a notice and channel, to whichever address: as its id says, which is their name.
    op.execute(
        "ALTER TABLE message "
        "DROP CONSTRAINT message_tenant_notice_id_channel_recipient_hash_key, "
        "ADD CONSTRAINT message_once UNIQUE USING INDEX message_once"
    )
    op.execute("ALTER TABLE message SET (fillfactor = 45)")
