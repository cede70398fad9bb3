"""The routes of the operators' pages: they show and do what the API does, by the same handlers."""
