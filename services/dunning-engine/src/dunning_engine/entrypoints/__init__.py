"""Where calls, events and time come in."""
