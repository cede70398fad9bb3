"""The debtor's own page, without its input and output: links, forms, words, what is shown.

Pure but for reading its own files at start. Knows no database, no ledger and no HTTP; the routes
are in `notifier.entrypoints.portal`, the use cases in `notifier.handlers`.
"""
