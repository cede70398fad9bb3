"""How batches of letters leave: asked for again at the door, looked for after a crash, cleared."""

from dunning_common.migrate import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Let a letter wait in the spool as planned, and a batch be on its way out."""
    run_script(
        """
        ALTER TABLE letter_batch
            DROP CONSTRAINT letter_batch_state_check,
            ADD CONSTRAINT letter_batch_state_check CHECK (state IN
                ('cut', 'ready', 'leaving', 'handed_over', 'unknown', 'withdrawn')),
            ADD COLUMN withdrawn integer NOT NULL DEFAULT 0,
            ADD COLUMN left_at timestamptz, ADD COLUMN cleared_at timestamptz;
        COMMENT ON COLUMN letter_batch.state IS
            'cut: its letters are chosen; ready: its folder is whole; leaving: it goes out right now,
             or it was doing so and is looked for; handed_over: the printer has it; unknown: nobody
             can tell, a person must; withdrawn: nothing of it left.';
        COMMENT ON COLUMN letter_batch.withdrawn IS
            'Letters that were taken out before it left: paid, held, revoked, lost.';
        COMMENT ON COLUMN letter_batch.left_at IS 'When it began to leave the last time.';
        COMMENT ON COLUMN letter_batch.cleared_at IS 'When its folder was taken away.';
        DROP INDEX letter_batch_due;
        CREATE INDEX letter_batch_due ON letter_batch (next_try_at)
            WHERE state IN ('cut', 'ready', 'leaving');
        CREATE INDEX letter_batch_kept ON letter_batch (cut_at)
            WHERE folder IS NOT NULL AND cleared_at IS NULL;

        ALTER TABLE message ADD COLUMN cleared_at timestamptz;
        COMMENT ON COLUMN message.cleared_at IS 'When its file was taken out of the spool.';
        COMMENT ON COLUMN message.batch_place IS
            'Its place in its batch; NULL in a batch: it was taken out as it was not there.';
        DROP INDEX message_spooled;
        CREATE INDEX message_spooled ON message (tenant, channel, claimed_at)
            WHERE provider = 'spool' AND batch_id IS NULL
              AND (state = 'sent' OR state = 'planned' AND reason = 'in_spool');
        CREATE INDEX message_file_kept ON message (settled_at)
            WHERE provider = 'spool' AND provider_ref IS NOT NULL AND cleared_at IS NULL
              AND state IN ('sent', 'failed', 'suppressed', 'returned');
        """
    )
