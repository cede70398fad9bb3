"""The ways in: HTTP for people and programs, webhooks for providers, loops."""
