"""How the engine's facts lie in PostgreSQL and in files."""
