"""PostgreSQL and a Kafka-protocol broker started from Python wheels."""
