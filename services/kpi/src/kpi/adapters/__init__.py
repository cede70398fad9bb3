"""PostgreSQL: facts and aggregates in, sums out."""
