"""The postman: owns every message and sends each at most once. It decides nothing."""
