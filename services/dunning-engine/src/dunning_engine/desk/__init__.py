"""The page of the work list: its template and words. Its routes are `entrypoints.desk_pages`."""
