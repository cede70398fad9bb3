"""The operators' pages: their words, view models, templates, style and one script.

Pure: no database, no request. The routes are `entrypoints.desk`, and only they may act.
"""
