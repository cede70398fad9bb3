"""How messages leave the house: one small protocol, one file per way."""
