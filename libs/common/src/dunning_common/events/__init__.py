"""The contracts: what the services tell each other, versioned and never changed once released."""
