"""The page of the work list: templates only. Its routes are `entrypoints.desk_pages`."""
