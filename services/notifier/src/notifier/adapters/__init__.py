"""The notifier's technology: PostgreSQL, the ledger over HTTP, the rendering pool, signatures."""
