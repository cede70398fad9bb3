"""How the world reaches the ledger: REST, bulk, imports, internal calls, consumed events."""
