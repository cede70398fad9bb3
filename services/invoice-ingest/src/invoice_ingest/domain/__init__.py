"""The pure core of the ledger: what is owed, what is paid; no clock, no database, no network."""
