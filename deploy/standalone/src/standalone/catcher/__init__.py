"""The mail catcher: takes every e-mail, text message and letter, sends none on, and shows them.

A process of its own that knows nothing of the services: it speaks SMTP and the HTTP APIs of two
providers.
"""
