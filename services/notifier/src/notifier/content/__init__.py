"""What a message says: from a notice and a template to the exact bytes. It never sends."""
