"""The demo: an invented creditor with invented debtors, played through a sandbox tenant."""
