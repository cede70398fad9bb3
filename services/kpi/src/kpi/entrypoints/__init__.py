"""HTTP: the figures as JSON and as pages."""
