"""What the use cases need from outside: protocols and plain values; adapters implement them."""
