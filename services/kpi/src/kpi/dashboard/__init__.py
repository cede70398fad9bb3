"""The dashboard page: charts and tiles made from an overview; no script, no network."""
