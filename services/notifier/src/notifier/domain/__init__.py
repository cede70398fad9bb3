"""The rules of the postman, without a clock, a database or a network."""
