"""The ledger: owns every amount. It decides nothing about reminders and sends nothing."""
