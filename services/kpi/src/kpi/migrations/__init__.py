"""Alembic history of the schema `kpi`."""
