"""The ledger's technology: SQL, the master key's file, LISTEN, country tables."""
